// Command floor is the least that a wrapper in Go can do: one GET with net/http, the fields of one secret as variables,
// one execve. It checks little and keeps nothing alive; what vwrap costs is measured against it.
//
//	floor PATH CMD [ARG...]
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"syscall"
)

func main() {
	fmt.Fprintln(os.Stderr, "floor:", run(os.Args[1:]))
	os.Exit(125)
}

// run returns only where it fails.
func run(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("read arguments: want PATH CMD [ARG...]")
	}
	argv := args[1:]
	fields, err := fetch(os.Getenv("VAULT_ADDR"), os.Getenv("VAULT_TOKEN"), args[0])
	if err != nil {
		return err
	}
	for name, field := range fields {
		if err := os.Setenv(name, field); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	program, err := exec.LookPath(argv[0])
	if err != nil {
		return err
	}
	return fmt.Errorf("execute %s: %w", program, syscall.Exec(program, argv, os.Environ()))
}

func fetch(address, token, path string) (map[string]string, error) {
	request, err := http.NewRequest(http.MethodGet, address+"/v1/secret/data/"+path, nil)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("X-Vault-Token", token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("read secret: %w", err)
	}
	defer response.Body.Close()
	var answer struct {
		Data struct {
			Data map[string]string `json:"data"`
		} `json:"data"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || len(answer.Data.Data) == 0 {
		return nil, fmt.Errorf("read secret: status %d, no fields", response.StatusCode)
	}
	return answer.Data.Data, nil
}

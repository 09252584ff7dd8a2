// Command floor is the least that a wrapper in Go can do: one GET with net/http, one variable, one execve. It takes one
// field of one known secret, checks little and keeps nothing alive; what vwrap costs is measured against it.
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
func run(argv []string) error {
	if len(argv) == 0 {
		return fmt.Errorf("read arguments: want CMD [ARG...]")
	}
	key, err := fetch(os.Getenv("VAULT_ADDR"), os.Getenv("VAULT_TOKEN"))
	if err != nil {
		return err
	}
	if err := os.Setenv("A", key); err != nil {
		return fmt.Errorf("set A: %w", err)
	}
	program, err := exec.LookPath(argv[0])
	if err != nil {
		return err
	}
	return fmt.Errorf("execute %s: %w", program, syscall.Exec(program, argv, os.Environ()))
}

func fetch(address, token string) (string, error) {
	request, err := http.NewRequest(http.MethodGet, address+"/v1/secret/data/dev/api", nil)
	if err != nil {
		return "", fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("X-Vault-Token", token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	defer response.Body.Close()
	var answer struct {
		Data struct {
			Data struct {
				Key string `json:"key"`
			} `json:"data"`
		} `json:"data"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.Data.Data.Key == "" {
		return "", fmt.Errorf("read secret: status %d, no key", response.StatusCode)
	}
	return answer.Data.Data.Key, nil
}

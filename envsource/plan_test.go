package envsource

import (
	"reflect"
	"testing"
)

func TestVaultNeeds(t *testing.T) {
	t.Parallel()
	p, err := NewPlan(Input{
		Inherited: []string{"HOME=/root", "A=vault:kv/app#key"},
		Vars: []Var{
			{Name: "B", Text: "${vault:kv/app#user}:${vault:kv/app#key}", Level: LevelConfig},
			{Name: "C", Text: "vault:kv/app#/tree/leaf?optional", Level: LevelConfig},
			{Name: "D", Text: "vault:kv/app#key?version=2", Level: LevelConfig},
			{Name: "F", Text: "vault:kv/spare#x?optional", Level: LevelConfig},
			{Name: "E", Text: "file:/run/e", Level: LevelConfig},
		},
		Secrets: []Secret{
			{Read: Read{Source: SourceVault, Path: "kv/all", Method: MethodRead}, Level: LevelConfig},
			{Read: Read{Source: SourceVault, Path: "pki/issue/web", Method: MethodWrite}, Env: []Binding{{"CERT", "certificate"}}, Level: LevelConfig},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	read := func(path, method string, version int) Read {
		return Read{Source: SourceVault, Path: path, Method: method, Version: version}
	}
	want := []Need{
		{read("kv/all", MethodRead, 0), nil, true, nil, false},
		{read("kv/app", MethodRead, 0), [][]string{{"key"}, {"user"}, {"tree", "leaf"}}, false, []string{"A", "B", "C"}, false},
		{read("kv/app", MethodRead, 2), [][]string{{"key"}}, false, []string{"D"}, false},
		{read("kv/spare", MethodRead, 0), [][]string{{"x"}}, false, []string{"F"}, true},
		{read("pki/issue/web", MethodWrite, 0), [][]string{{"certificate"}}, false, []string{"CERT"}, false},
	}
	if got := p.VaultNeeds(); !reflect.DeepEqual(got, want) {
		t.Errorf("got:\n%+v\nwant:\n%+v", got, want)
	}
}

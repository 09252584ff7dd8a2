package main

import (
	"maps"
	"slices"

	authjwt "github.com/hashicorp/vault-plugin-auth-jwt"
	authkubernetes "github.com/hashicorp/vault-plugin-auth-kubernetes"
	"github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/builtin/credential/approle"
	"github.com/hashicorp/vault/builtin/credential/cert"
	"github.com/hashicorp/vault/builtin/credential/ldap"
	"github.com/hashicorp/vault/builtin/credential/userpass"
	"github.com/hashicorp/vault/builtin/logical/database"
	"github.com/hashicorp/vault/builtin/logical/pki"
	"github.com/hashicorp/vault/builtin/logical/ssh"
	"github.com/hashicorp/vault/builtin/logical/transit"
	"github.com/hashicorp/vault/plugins/database/postgresql"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
)

var authMethods = map[string]logical.Factory{
	"approle":    approle.Factory,
	"cert":       cert.Factory,
	"jwt":        authjwt.Factory,
	"kubernetes": authkubernetes.Factory,
	"ldap":       ldap.Factory,
	"oidc":       authjwt.Factory,
	"userpass":   userpass.Factory,
}

var secretEngines = map[string]logical.Factory{
	"database": database.Factory,
	"kv":       kv.Factory,
	"pki":      pki.Factory,
	"ssh":      ssh.Factory,
	"transit":  transit.Factory,
}

// plugin is how the core asks a registry for an engine.
type plugin = func() (any, error)

// registry tells the core which engines are built in; one that is not in it cannot be mounted.
type registry map[consts.PluginType]map[string]plugin

func builtins() registry {
	return registry{
		consts.PluginTypeCredential: plugins(authMethods),
		consts.PluginTypeSecrets:    plugins(secretEngines),
		consts.PluginTypeDatabase:   {"postgresql-database-plugin": postgresql.New},
	}
}

func plugins(factories map[string]logical.Factory) map[string]plugin {
	found := make(map[string]plugin, len(factories))
	for name, factory := range factories {
		found[name] = func() (any, error) { return factory, nil }
	}
	return found
}

func (r registry) Get(name string, kind consts.PluginType) (func() (any, error), bool) {
	p, ok := r[kind][name]
	return p, ok
}

func (r registry) Contains(name string, kind consts.PluginType) bool {
	_, ok := r[kind][name]
	return ok
}

func (r registry) Keys(kind consts.PluginType) []string {
	return slices.Sorted(maps.Keys(r[kind]))
}

func (r registry) DeprecationStatus(name string, kind consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, r.Contains(name, kind)
}

func (r registry) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }

package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/armon/go-metrics"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/audit"
	auditfile "github.com/hashicorp/vault/builtin/audit/file"
	"github.com/hashicorp/vault/helper/metricsutil"
	"github.com/hashicorp/vault/helper/namespace"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

// startCore makes a core in memory, initialised and unsealed, whose only root token is the given one and which has
// the KV version 2 engine at secret/, as `vault server -dev` has. key is what unseals it.
func startCore(url, token, logLevel string) (core *vault.Core, key string, err error) {
	if core, err = newCore(url, logLevel); err != nil {
		return nil, "", fmt.Errorf("make core: %w", err)
	}
	ctx := namespace.ContextWithNamespace(context.Background(), namespace.RootNamespace)
	seal := &vault.SealConfig{SecretShares: 1, SecretThreshold: 1}
	first, err := core.Initialize(ctx, &vault.InitParams{BarrierConfig: seal})
	if err != nil {
		return nil, "", fmt.Errorf("initialise core: %w", err)
	}
	if err := unseal(core, first.SecretShares[0]); err != nil {
		return nil, "", err
	}
	if err := prepare(ctx, core, first.RootToken, token); err != nil {
		return nil, "", err
	}
	return core, base64.StdEncoding.EncodeToString(first.SecretShares[0]), nil
}

func newCore(url, logLevel string) (*vault.Core, error) {
	logger := hclog.New(&hclog.LoggerOptions{Level: hclog.LevelFromString(logLevel), Output: os.Stderr})
	storage, err := inmem.NewInmem(nil, logger)
	if err != nil {
		return nil, fmt.Errorf("make storage: %w", err)
	}
	sink := metrics.NewInmemSink(10*time.Second, time.Minute)
	return vault.NewCore(&vault.CoreConfig{
		Physical:            storage,
		StorageType:         "inmem",
		Logger:              logger,
		LogLevel:            logLevel,
		BuiltinRegistry:     builtins(),
		LogicalBackends:     secretEngines,
		CredentialBackends:  authMethods,
		AuditBackends:       map[string]audit.Factory{"file": auditfile.Factory},
		DisableMlock:        true, // nothing in here is worth it, and it needs a privilege
		RedirectAddr:        url,
		EnableRaw:           true,
		EnableIntrospection: true,
		MetricsHelper:       metricsutil.NewMetricsHelper(sink, false),
		MetricSink:          metricsutil.NewClusterMetricSink("devvault", sink),
	})
}

// unseal returns when the core serves: storage in memory has no high availability, so there is no election to wait for.
func unseal(core *vault.Core, key []byte) error {
	unsealed, err := core.Unseal(key)
	if err != nil {
		return fmt.Errorf("unseal core: %w", err)
	}
	if !unsealed {
		return errors.New("unseal core: the key was not enough")
	}
	switch _, _, _, err := core.Leader(); {
	case err == nil:
		return errors.New("unseal core: it is part of a cluster")
	case !errors.Is(err, vault.ErrHANotEnabled):
		return fmt.Errorf("unseal core: %w", err)
	}
	return nil
}

// prepare exchanges the first root token for the given one, and mounts secret/.
func prepare(ctx context.Context, core *vault.Core, first, token string) error {
	steps := []struct {
		as, path string
		data     map[string]any
	}{
		{first, "auth/token/create", map[string]any{
			"id": token, "policies": []string{"root"}, "no_parent": true, "no_default_policy": true,
		}},
		{first, "auth/token/revoke-self", nil},
		{token, "sys/mounts/secret", map[string]any{"type": "kv", "options": map[string]string{"version": "2"}}},
	}
	for _, step := range steps {
		answer, err := core.HandleRequest(ctx, &logical.Request{
			ID: step.path, Operation: logical.UpdateOperation, ClientToken: step.as, Path: step.path, Data: step.data,
		})
		if err == nil && answer.IsError() {
			err = answer.Error()
		}
		if err != nil {
			return fmt.Errorf("write %s: %w", step.path, err)
		}
	}
	return nil
}

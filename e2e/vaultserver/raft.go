package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	metrics "github.com/hashicorp/go-metrics/compat"
	"github.com/hashicorp/vault/audit"
	"github.com/hashicorp/vault/helper/metricsutil"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/physical/raft"
	"github.com/hashicorp/vault/sdk/physical"
	"github.com/hashicorp/vault/vault"
)

// runNode serves a node that keeps its data, until ctx ends. It starts sealed; sys/init and sys/unseal do the rest.
func runNode(ctx context.Context, opts options) error {
	c, err := readConfig(opts.config)
	if err != nil {
		return err
	}
	listener, err := listenLoopback(c.Listener.TCP.Address)
	if err != nil {
		return err
	}
	defer listener.Close()
	core, err := newNode(c, opts.logLevel)
	if err != nil {
		return err
	}
	if err := join(ctx, core, c.Listener.TCP.ClusterAddress); err != nil {
		return errors.Join(err, core.Shutdown())
	}
	return errors.Join(serve(ctx, listener, core), core.Shutdown())
}

func newNode(c config, logLevel string) (*vault.Core, error) {
	logger := newLogger(logLevel)
	settings, err := c.Storage.Raft.backend()
	if err != nil {
		return nil, err
	}
	storage, err := raft.NewRaftBackend(settings, logger.Named("storage.raft"))
	if err != nil {
		return nil, fmt.Errorf("open storage: %w", err)
	}
	sink := metrics.NewInmemSink(10*time.Second, time.Minute)
	core, err := vault.NewCore(&vault.CoreConfig{
		Physical:           storage,
		HAPhysical:         storage.(physical.HABackend),
		StorageType:        "raft",
		RedirectAddr:       c.APIAddr,
		ClusterAddr:        c.ClusterAddr,
		Logger:             logger,
		LogLevel:           logLevel,
		BuiltinRegistry:    builtins(),
		LogicalBackends:    secretEngines,
		CredentialBackends: authMethods,
		AuditBackends:      map[string]audit.Factory{"file": audit.NewFileBackend},
		DisableMlock:       c.DisableMlock,
		MetricsHelper:      metricsutil.NewMetricsHelper(sink, false),
		MetricSink:         metricsutil.NewClusterMetricSink("vaultserver", sink),
	})
	if err != nil {
		return nil, fmt.Errorf("make core: %w", err)
	}
	return core, nil
}

// join says where the other nodes reach this one, which has to be known before the first unsealing, and begins to ask
// them to let it join. A node that is a member already, or has nobody to ask, asks nobody.
func join(ctx context.Context, core *vault.Core, address string) error {
	cluster, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return fmt.Errorf("read cluster address: %w", err)
	}
	core.SetClusterListenerAddrs([]*net.TCPAddr{cluster})
	// What standbys forward arrives here.
	core.SetClusterHandler(vaulthttp.Handler.Handler(&vault.HandlerProperties{
		Core: core, ListenerConfig: &configutil.Listener{},
	}))
	if err := core.InitiateRetryJoin(ctx); err != nil {
		return fmt.Errorf("join the cluster: %w", err)
	}
	return nil
}

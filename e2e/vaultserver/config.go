package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
)

// config is what `server -config=FILE` reads: the part of the real server's configuration, in its JSON form, that a
// cluster on one machine needs.
type config struct {
	Storage struct {
		Raft *raftStorage `json:"raft"`
	} `json:"storage"`
	Listener struct {
		TCP *tcpListener `json:"tcp"`
	} `json:"listener"`
	APIAddr      string `json:"api_addr"`
	ClusterAddr  string `json:"cluster_addr"`
	DisableMlock bool   `json:"disable_mlock"`
}

type raftStorage struct {
	Path                  string       `json:"path"`
	NodeID                string       `json:"node_id"`
	RetryJoin             []joinTarget `json:"retry_join"`
	PerformanceMultiplier int          `json:"performance_multiplier"` // 0: the backend's default
}

// joinTarget is a node that may be asked to let this one join.
type joinTarget struct {
	LeaderAPIAddr string `json:"leader_api_addr"`
}

type tcpListener struct {
	Address        string `json:"address"`
	ClusterAddress string `json:"cluster_address"`
	TLSDisable     bool   `json:"tls_disable"`
}

// readConfig is strict: a setting that this server passed over in silence would make a test mean something else with
// a real one.
func readConfig(file string) (config, error) {
	var c config
	content, err := os.Open(file)
	if err != nil {
		return c, fmt.Errorf("open configuration: %w", err)
	}
	defer content.Close()
	decoder := json.NewDecoder(content)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		return c, fmt.Errorf("read configuration %s: %w", file, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return c, fmt.Errorf("read configuration %s: there is more after its end", file)
	}
	if err := c.check(); err != nil {
		return c, fmt.Errorf("configuration %s: %w", file, err)
	}
	return c, nil
}

func (c config) check() error {
	storage, listener := c.Storage.Raft, c.Listener.TCP
	switch {
	case storage == nil:
		return errors.New("storage.raft is missing: there is no other storage")
	case storage.Path == "":
		return errors.New("storage.raft.path is missing")
	case storage.PerformanceMultiplier < 0 || storage.PerformanceMultiplier > 10:
		return errors.New("storage.raft.performance_multiplier is not in 1 to 10")
	case listener == nil:
		return errors.New("listener.tcp is missing: there is no other listener")
	case !listener.TLSDisable:
		return errors.New("listener.tcp.tls_disable is not true: there is no TLS in this mode")
	}
	addresses := []struct {
		key, value string
		check      func(string) error
	}{
		{"listener.tcp.address", listener.Address, loopbackAddress},
		{"listener.tcp.cluster_address", listener.ClusterAddress, loopbackAddress},
		{"api_addr", c.APIAddr, loopbackURL},
		{"cluster_addr", c.ClusterAddr, loopbackURL},
	}
	for _, address := range addresses {
		if err := address.check(address.value); err != nil {
			return fmt.Errorf("%s: %w", address.key, err)
		}
	}
	for _, target := range storage.RetryJoin {
		if err := loopbackURL(target.LeaderAPIAddr); err != nil {
			return fmt.Errorf("storage.raft.retry_join.leader_api_addr: %w", err)
		}
	}
	return nil
}

// backend is the form in which the raft backend takes its settings, which the real server makes of its file too.
func (s raftStorage) backend() (map[string]string, error) {
	settings := map[string]string{"path": s.Path, "node_id": s.NodeID}
	if s.PerformanceMultiplier > 0 {
		settings["performance_multiplier"] = strconv.Itoa(s.PerformanceMultiplier)
	}
	if len(s.RetryJoin) > 0 {
		targets, err := json.Marshal(s.RetryJoin)
		if err != nil {
			return nil, fmt.Errorf("encode retry_join: %w", err)
		}
		settings["retry_join"] = string(targets)
	}
	return settings, nil
}

// loopbackAddress refuses every host:port that another machine could reach.
func loopbackAddress(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("%s is not a loopback IP address", address)
	}
	return nil
}

func loopbackURL(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return err
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("%q is not an http or https URL", text)
	}
	return loopbackAddress(u.Host)
}

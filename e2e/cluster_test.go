//go:build full

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vwrap/vwrap/e2e/built"
)

// The leases here live so much longer than an election takes that a slow machine does not end one, and are renewed every
// few seconds nevertheless.
const (
	leaseTTL  = "90s"
	leaseMax  = "1h"
	renewings = "version: 1\nrotation: {poll: 1s, settle: 200ms, stop_grace: 2s, renew_at: 0.05}\n"
)

// TestClusterLosesItsLeader: a follower is asked, which forwards; the leader is killed, and another one elected.
//
// Fault: the leader of a cluster of three is killed; a follower is asked
// Notices: nothing: no query fails
// Does: says so once, and once that it is over; renews what is due, when there is a new leader
func TestClusterLosesItsLeader(t *testing.T) {
	c := startCluster(t, 3)
	q := startQueries(t, c, c.follower(), leaseTTL, leaseMax, renewings)
	q.awaitRenewal()
	c.leader().kill()
	q.awaitQueries(2)
	q.awaitRenewal()
	q.awaitQueries(2)
	q.expectRuns(1, 1)
	q.finish()
}

// TestClusterLeaderReturns: the leader is asked, killed, and comes back as a follower, with the data that it had.
//
// Fault: the leader of a cluster of three is killed, and returns; it is that which is asked
// Notices: nothing: no query fails
// Does: says so once, and once that it is over; goes on with the returned one
func TestClusterLeaderReturns(t *testing.T) {
	c := startCluster(t, 3)
	leader := c.leader()
	q := startQueries(t, c, leader, leaseTTL, leaseMax, renewings)
	q.awaitRenewal()
	leader.kill()
	q.awaitOutage()
	q.awaitQueries(2)
	c.restart(leader)
	q.awaitRenewal()
	q.awaitQueries(2)
	q.expectRuns(1, 1)
	q.finish()
}

// TestClusterLosesItsLeaderInARotation: the leader is killed when vwrap has seen that the command needs something new,
// and has not fetched it yet. The old command runs, on credentials that are good, until the new leader has given that.
//
// Fault: the leader of a cluster of three is killed during a rotation
// Notices: the restart that was due, later; no query fails
// Does: the old command runs, on credentials that are good, until a new leader has given what is due
func TestClusterLosesItsLeaderInARotation(t *testing.T) {
	tests := []struct {
		name     string
		ttl, max string
		config   string
		change   func(q *queries) error
		notice   string
		restart  string
		users    int
	}{
		{
			name: "a new version", ttl: leaseTTL, max: leaseMax,
			config:  "version: 1\nrotation: {poll: 1s, settle: 5s, stop_grace: 2s, renew_at: 0.05}\n",
			change:  func(q *queries) error { return q.own.put("dev/api", map[string]any{"key": "second"}) },
			notice:  "has a new version 2",
			restart: "restarting the command: new API_KEY\n",
			users:   1,
		},
		{
			// The stop grace, which the command does not need, makes vwrap begin when half of the lease is left.
			name: "the end of a lease", ttl: "150s", max: "150s",
			config:  "version: 1\nrotation: {poll: 1s, settle: 5s, stop_grace: 70s, renew_at: 0.1}\n",
			change:  func(*queries) error { return nil },
			notice:  "its lease comes to its end",
			restart: "restarting the command: new DATABASE_URL\n",
			users:   2,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := startCluster(t, 3)
			q := startQueries(t, c, c.follower(), test.ttl, test.max, test.config)
			check(t, test.change(q))
			q.awaitComplaint(test.notice)
			c.leader().kill()
			q.awaitQueries(1)
			q.awaitComplaint(test.restart)
			q.expect(`(?ms)^start .*^start .*^ok user=`)
			q.awaitQueries(2)
			q.expectRuns(2, test.users)
			q.expectRestartAfterOutage()
			q.finish()
		})
	}
}

// TestServerKilledAndBack: a server without others is killed, and comes back with the data that it had.
//
// Fault: a Vault that keeps its data is killed, and returns
// Notices: nothing: no query fails
// Does: says so once, and once that it is over; renews what is due
func TestServerKilledAndBack(t *testing.T) {
	c := startCluster(t, 1)
	only := c.leader()
	q := startQueries(t, c, only, leaseTTL, leaseMax, renewings)
	q.awaitRenewal()
	only.kill()
	q.awaitOutage()
	q.awaitQueries(2)
	c.restart(only)
	q.awaitRenewal()
	q.awaitQueries(2)
	q.expectRuns(1, 1)
	q.finish()
}

// cluster is a Vault of one or more nodes that keep their data, with integrated storage (raft).
type cluster struct {
	t     *testing.T
	nodes []*node
	key   string // unseals each of them
}

// node is one server of a cluster.
type node struct {
	vaultServer
	t      *testing.T
	config string // the file
}

// electionPatience is how long the tests wait for what takes a cluster some seconds.
const electionPatience = 2 * time.Minute

// startCluster returns when all nodes vote, and one leads.
func startCluster(t *testing.T, size int) *cluster {
	t.Helper()
	c := &cluster{t: t}
	ports := freePorts(t, 2*size)
	for i := range size {
		c.nodes = append(c.nodes, newNode(t, i, ports[:size], ports[size:]))
	}
	t.Cleanup(c.end)
	for _, n := range c.nodes {
		n.start()
	}
	c.initialise(c.nodes[0])
	for _, n := range c.nodes {
		c.unseal(n)
	}
	c.awaitVoters()
	return c
}

// end leaves nothing of the cluster running, and shows what its nodes said where the test has failed.
func (c *cluster) end() {
	for i, n := range c.nodes {
		if n.process != nil {
			n.process.signal(syscall.SIGKILL)
			<-n.process.exited
		}
		if c.t.Failed() {
			said, _ := os.ReadFile(n.output)
			c.t.Logf("node %d at %s said:\n%s", i, n.address, tail(string(said)))
		}
	}
}

// freePorts are ports that nobody listens at just now, all different.
func freePorts(t *testing.T, count int) (ports []int) {
	t.Helper()
	for range count {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		check(t, err)
		defer listener.Close()
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// newNode writes the configuration of node i.
func newNode(t *testing.T, i int, apiPorts, clusterPorts []int) *node {
	t.Helper()
	dir, err := os.MkdirTemp(scratch, "node-")
	check(t, err)
	data := filepath.Join(dir, "data")
	check(t, os.Mkdir(data, 0o700))
	at := func(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }
	others := []map[string]string{}
	for j, port := range apiPorts {
		if j != i {
			others = append(others, map[string]string{"leader_api_addr": "http://" + at(port)})
		}
	}
	text, err := json.Marshal(map[string]any{
		"storage": map[string]any{"raft": map[string]any{
			"path": data, "node_id": "node" + strconv.Itoa(i), "retry_join": others,
			"performance_multiplier": 5, // as slow as it is where nobody sets it
		}},
		"listener": map[string]any{"tcp": map[string]any{
			"address": at(apiPorts[i]), "cluster_address": at(clusterPorts[i]), "tls_disable": true,
		}},
		"api_addr": "http://" + at(apiPorts[i]), "cluster_addr": "https://" + at(clusterPorts[i]), "disable_mlock": true,
	})
	check(t, err)
	n := &node{t: t, config: filepath.Join(dir, "config.json")}
	n.address, n.output = "http://"+at(apiPorts[i]), filepath.Join(dir, "output")
	check(t, os.WriteFile(n.config, text, 0o600))
	return n
}

// start returns when the node answers; it is sealed then.
func (n *node) start() {
	n.t.Helper()
	binary, err := built.Server()
	check(n.t, err)
	// A connection somewhere else may have the port of a node that is away for its own end, for a moment.
	check(n.t, poll(electionPatience, time.Second, func() error { return n.tryStart(binary) }))
}

func (n *node) tryStart(binary string) error {
	output, err := os.OpenFile(n.output, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer output.Close()
	cmd := exec.Command(binary, "server", "-config="+n.config, "-log-level=error")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Dir(n.config)}
	cmd.Stdout, cmd.Stderr = output, output
	if n.process, err = startProcess(cmd, syscall.SIGKILL); err != nil {
		return err
	}
	err = poll(electionPatience, 20*time.Millisecond, func() error {
		if !n.process.running() {
			return nil
		}
		return n.ask(http.MethodGet, "sys/seal-status", nil, &struct{}{})
	})
	if err == nil && !n.process.running() {
		err = fmt.Errorf("the server has ended with %d", n.process.status())
	}
	return err
}

// kill ends the node as a power failure does.
func (n *node) kill() {
	n.process.signal(syscall.SIGKILL)
	<-n.process.exited
}

// ask sends a request whose answer has no envelope and needs no token, as those of an operator before there is one.
func (n *node) ask(method, path string, body, into any) error {
	payload, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequest(method, n.address+"/v1/"+path, bytes.NewReader(payload))
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return err
	case response.StatusCode >= 300:
		return fmt.Errorf("%s: status %d: %s", path, response.StatusCode, content)
	}
	return json.Unmarshal(content, into)
}

func (c *cluster) initialise(n *node) {
	c.t.Helper()
	var first struct {
		Keys      []string `json:"keys"`
		RootToken string   `json:"root_token"`
	}
	check(c.t, n.ask(http.MethodPut, "sys/init", map[string]int{"secret_shares": 1, "secret_threshold": 1}, &first))
	c.key = first.Keys[0]
	for _, n := range c.nodes {
		n.token = first.RootToken
	}
}

// unseal returns when the node is unsealed. One that is new joins the others with that.
func (c *cluster) unseal(n *node) {
	c.t.Helper()
	check(c.t, poll(electionPatience, 200*time.Millisecond, func() error {
		var status struct{ Sealed bool }
		if err := n.ask(http.MethodPut, "sys/unseal", map[string]string{"key": c.key}, &status); err != nil {
			return err
		}
		if status.Sealed {
			return errors.New("it is sealed still")
		}
		return nil
	}))
}

// restart brings a node back that was killed.
func (c *cluster) restart(n *node) {
	c.t.Helper()
	n.start()
	c.unseal(n)
}

// awaitVoters returns when each node votes and has what the leader has, so that the loss of one can be borne.
func (c *cluster) awaitVoters() {
	c.t.Helper()
	leader := c.leader()
	_, err := leader.do(http.MethodPost, "sys/storage/raft/autopilot/configuration", map[string]any{"server_stabilization_time": "1s"})
	check(c.t, err)
	check(c.t, poll(electionPatience, 200*time.Millisecond, func() error {
		state, err := leader.do(http.MethodGet, "sys/storage/raft/autopilot/state", nil)
		voters, _ := state.Data["voters"].([]any)
		if healthy, _ := state.Data["healthy"].(bool); err == nil && (!healthy || len(voters) != len(c.nodes)) {
			err = fmt.Errorf("healthy is %v, voters are %v", healthy, voters)
		}
		return err
	}))
}

// leader waits until there is one, and returns it.
func (c *cluster) leader() (leader *node) {
	c.t.Helper()
	check(c.t, poll(electionPatience, 50*time.Millisecond, func() error {
		for _, n := range c.nodes {
			if !n.process.running() {
				continue
			}
			if _, err := n.do(http.MethodGet, "sys/health", nil); err == nil { // a standby's answer is 429
				leader = n
				return nil
			}
		}
		return errors.New("no node leads")
	}))
	return leader
}

// follower is a node that runs and does not lead.
func (c *cluster) follower() *node {
	c.t.Helper()
	leader := c.leader()
	i := slices.IndexFunc(c.nodes, func(n *node) bool { return n != leader && n.process.running() })
	if i < 0 {
		c.t.Fatal("no node follows")
	}
	return c.nodes[i]
}

// queries is vwrap with query-loop, whose credentials are a cluster's.
type queries struct {
	*background
	cluster *cluster
	own     *tenant
}

// startQueries returns when a query was good. It is node that vwrap asks.
func startQueries(t *testing.T, c *cluster, asked *node, ttl, maxTTL, config string) *queries {
	t.Helper()
	p, err := sharedPostgres()
	check(t, err)
	own, err := newTenant(&c.leader().vaultServer)
	check(t, err)
	check(t, own.databaseRole(p, "app", ttl, maxTTL))
	check(t, own.put("dev/api", map[string]any{"key": "first"}))
	file := filepath.Join(t.TempDir(), "vwrap.yaml")
	check(t, os.WriteFile(file, []byte(config), 0o600))
	creds := own.db + "/creds/app"
	url := fmt.Sprintf("DATABASE_URL=postgres://${vault:%s#username | urlencode}:${vault:%s#password | urlencode}@%s/app?sslmode=disable", creds, creds, p.address)
	argv := vwrap("--log-level", "debug", "-e", url, "-e", "API_KEY=vault:"+own.kv+"/dev/api#key", "--", filepath.Join(programs, "query-loop"))
	q := &queries{cluster: c, own: own}
	q.background = startBackground(t, argv, "VAULT_ADDR="+asked.address, "VAULT_TOKEN="+userToken(t, own), "VWRAP_CONFIG="+file)
	q.expect(`(?m)^ok user=`)
	return q
}

// userToken may do what the command needs and no more: whether a new leader knows it is part of what is tried.
func userToken(t *testing.T, own *tenant) string {
	t.Helper()
	policy := fmt.Sprintf(`path "%s/creds/app" { capabilities = ["read"] }
path "%s/*" { capabilities = ["read"] }
path "sys/leases/revoke" { capabilities = ["update"] }`, own.db, own.kv)
	_, err := own.vault.do(http.MethodPut, "sys/policies/acl/"+own.tag, map[string]any{"policy": policy})
	check(t, err)
	made, err := own.vault.do(http.MethodPost, "auth/token/create", map[string]any{"policies": []string{own.tag}, "ttl": "1h"})
	check(t, err)
	token, err := made.field("token")
	check(t, err)
	return token
}

func (q *queries) count(pattern string) int {
	return len(regexp.MustCompile(pattern).FindAllString(q.said(), -1))
}

// awaitQueries waits for so many good queries more.
func (q *queries) awaitQueries(more int) {
	q.t.Helper()
	const good = `(?m)^ok user=`
	want := q.count(good) + more
	check(q.t, poll(electionPatience, 50*time.Millisecond, func() error {
		if got := q.count(good); got < want {
			return fmt.Errorf("%d good queries, and no more", got)
		}
		return nil
	}))
}

// awaitComplaint waits until vwrap has said text.
func (q *queries) awaitComplaint(text string) {
	q.t.Helper()
	check(q.t, poll(electionPatience, 20*time.Millisecond, func() error {
		if !strings.Contains(q.complained(), text) {
			return fmt.Errorf("vwrap has not said %q", text)
		}
		return nil
	}))
}

const (
	outageBegins = "the command goes on with what it has"
	outageEnds   = "Vault answers again"
)

func (q *queries) awaitOutage() {
	q.t.Helper()
	q.awaitComplaint(outageBegins)
}

// awaitRenewal waits until the leader, old or new, has pushed the end of the lease further.
func (q *queries) awaitRenewal() {
	q.t.Helper()
	before := q.leaseEnd()
	check(q.t, poll(electionPatience, 100*time.Millisecond, func() error {
		if end := q.leaseEnd(); !end.After(before) {
			return fmt.Errorf("the lease ends at %s, and that was not pushed further", end)
		}
		return nil
	}))
}

// leaseEnd is when the command's lease ends, of which there is one.
func (q *queries) leaseEnd() (end time.Time) {
	q.t.Helper()
	// A leader may be lost, and one that is new is not ready at once.
	check(q.t, poll(electionPatience, 100*time.Millisecond, func() error {
		leases, err := q.leases()
		if err != nil {
			return err
		}
		if len(leases) != 1 {
			return fmt.Errorf("the leases are %v, not one", leases)
		}
		lease, err := q.own.vault.do(http.MethodPut, "sys/leases/lookup", map[string]any{"lease_id": leases[0]})
		if err != nil {
			return err
		}
		text, _ := lease.Data["expire_time"].(string)
		end, err = time.Parse(time.RFC3339Nano, text)
		return err
	}))
	return end
}

// leases are the tenant's, as whoever leads now sees them.
func (q *queries) leases() (ids []string, err error) {
	q.own.vault = &q.cluster.leader().vaultServer
	prefix := q.own.db + "/creds/app/"
	all, err := q.own.vault.do("LIST", "sys/leases/lookup/"+prefix, nil)
	if missing, ok := errors.AsType[*vaultError](err); ok && missing.status == http.StatusNotFound {
		return nil, nil
	}
	keys, _ := all.Data["keys"].([]any)
	for _, key := range keys {
		ids = append(ids, prefix+fmt.Sprint(key))
	}
	return ids, err
}

// expectRuns: the command was started so often, had so many users in all, and no query of it has failed.
func (q *queries) expectRuns(starts, users int) {
	q.t.Helper()
	if got := q.count(`(?m)^start `); got != starts {
		q.t.Errorf("the command was started %d times, not %d", got, starts)
	}
	if failed := q.count(`(?m)^failed `); failed > 0 {
		q.t.Errorf("%d queries have failed", failed)
	}
	distinct := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)^ok user=(\S+)`).FindAllStringSubmatch(q.said(), -1) {
		distinct[match[1]] = true
	}
	if len(distinct) != users {
		q.t.Errorf("the command had %d users, not %d: %v", len(distinct), users, distinct)
	}
}

// expectRestartAfterOutage: the old command was not stopped before Vault had answered.
func (q *queries) expectRestartAfterOutage() {
	q.t.Helper()
	text := q.complained()
	answered, restarted := strings.Index(text, outageEnds), strings.Index(text, "restarting the command: ")
	if strings.Contains(text, outageBegins) && restarted < answered {
		q.t.Error("the command was stopped in the outage")
	}
}

// expectOutageSaid: once that it began and once that it is over, where it was noticed.
func (q *queries) expectOutageSaid() {
	q.t.Helper()
	check(q.t, poll(patience, 50*time.Millisecond, func() error {
		text := q.complained()
		begun, over := strings.Count(text, outageBegins), strings.Count(text, outageEnds)
		if begun != over || begun > 1 {
			return fmt.Errorf("vwrap has said %d times that an outage began and %d times that it is over", begun, over)
		}
		return nil
	}))
}

// finish ends vwrap. It takes its leases along.
func (q *queries) finish() {
	q.t.Helper()
	q.expectOutageSaid()
	check(q.t, q.signal(syscall.SIGTERM))
	q.expectStatus(0)
	check(q.t, poll(10*time.Second, 50*time.Millisecond, func() error {
		left, err := q.leases()
		if err == nil && len(left) > 0 {
			err = fmt.Errorf("leases left behind: %q", left)
		}
		return err
	}))
	q.expectOutageSaid()
	q.t.Logf("vwrap said:\n%s", q.complained())
}

package vault

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// LeaseTTL is what is left of a lease; never for one that does not end. The policy has to have
// path "sys/leases/lookup" { capabilities = ["update"] }.
// (https://developer.hashicorp.com/vault/api-docs/system/leases#read-lease)
func (c *Client) LeaseTTL(ctx context.Context, id string) (left time.Duration, never bool, err error) {
	answer, err := c.api.Logical().WriteWithContext(ctx, "sys/leases/lookup", map[string]any{"lease_id": id})
	if err != nil {
		return 0, false, c.classify("sys/leases/lookup: "+id, err)
	}
	if answer == nil {
		return 0, false, fmt.Errorf("sys/leases/lookup: %s: the answer is empty", id)
	}
	if at, _ := answer.Data["expire_time"].(string); at == "" {
		return 0, true, nil
	}
	return seconds(number(answer.Data["ttl"])), false, nil
}

// mostLeases is the greatest number that Leases returns: more are nobody's to look at one by one.
const mostLeases = 10_000

// Leases returns the IDs of the leases below prefix. It needs sudo on sys/leases/lookup/.
// (https://developer.hashicorp.com/vault/api-docs/system/leases#list-leases)
func (c *Client) Leases(ctx context.Context, prefix string) (ids []string, err error) {
	prefix = strings.Trim(prefix, "/") + "/"
	path := "sys/leases/lookup/" + prefix
	answer, err := c.api.Logical().ListWithContext(ctx, path)
	if err != nil {
		return nil, c.classify(path, err)
	}
	if answer == nil { // a 404 is: none
		return nil, nil
	}
	keys, _ := answer.Data["keys"].([]any)
	for _, key := range keys {
		name, _ := key.(string)
		if !strings.HasSuffix(name, "/") {
			ids = append(ids, prefix+name)
			continue
		}
		below, err := c.Leases(ctx, prefix+name)
		if err != nil {
			return nil, err
		}
		if ids = append(ids, below...); len(ids) > mostLeases {
			return nil, fmt.Errorf("%s: there are more than %d leases: say a longer prefix", path, mostLeases)
		}
	}
	return ids, nil
}

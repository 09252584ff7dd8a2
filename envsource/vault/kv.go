package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/vwrap/vwrap/envsource"
)

// KV is a path of a KV engine as a folder: it can be listed, and what is below it read. Names are below that path; "" is the
// path itself.
type KV struct {
	source *Source
	root   envsource.Read // its path is the path below the mount
}

// KV finds the engine that path is on. "secret", "secret/dev" and "secret/data/dev" are all understood.
func (s *Source) KV(ctx context.Context, namespace, path string) (*KV, error) {
	path = strings.Trim(path, "/")
	r, err := s.Locate(ctx, envsource.Read{Source: envsource.SourceVault, Namespace: namespace, Path: path, Method: envsource.MethodRead})
	if errors.Is(err, envsource.ErrDenied) && !errors.Is(err, ErrToken) {
		mount, rest, _ := strings.Cut(path+"/", "/")
		return nil, envsource.Mark(fmt.Errorf(`%s: permission denied: there is no such mount, or the token's policies lack: path %q { capabilities = ["list"] } (KV version 1: %q)`,
			path, mount+"/metadata/"+rest+"*", path+"/*"), envsource.ErrDenied)
	}
	if err != nil {
		return nil, err
	}
	if r.Kind != envsource.KindKV1 && r.Kind != envsource.KindKV2 {
		return nil, fmt.Errorf("%s is on no KV engine: only those can be listed", r)
	}
	r.Path = strings.TrimPrefix(path+"/", r.Mount)
	if r.Kind == envsource.KindKV2 {
		r.Path = strings.TrimPrefix(r.Path, "data/")
	}
	r.Path = strings.TrimSuffix(r.Path, "/")
	return &KV{s, r}, nil
}

// String is the path as Vault's own kv command takes it, after its namespace.
func (k *KV) String() string {
	return strings.TrimPrefix(k.root.Namespace+"/", "/") + strings.TrimSuffix(k.root.Mount+k.root.Path, "/")
}

// List returns the names right below; those of folders end in a slash. Its error wraps envsource.ErrMissing where there are
// none.
func (k *KV) List(ctx context.Context, below string) ([]string, error) {
	path := k.at("metadata/", below)
	answer, err := k.source.client.in(k.root.Namespace).Logical().ListWithContext(ctx, path)
	if err != nil {
		return nil, k.denied(ctx, path, path+"/*", "list", k.source.client.classify(path, err))
	}
	if answer == nil {
		return nil, envsource.Mark(fmt.Errorf("nothing is below %s", path), envsource.ErrMissing)
	}
	listed, _ := answer.Data["keys"].([]any)
	names := make([]string, 0, len(listed))
	for _, name := range listed {
		text, ok := name.(string)
		if bare := strings.TrimSuffix(text, "/"); !ok || bare == "" || bare == "." || bare == ".." || strings.Contains(bare, "/") {
			return nil, fmt.Errorf("%s: Vault lists a name that no request can have: %q", path, text)
		}
		names = append(names, text)
	}
	return names, nil
}

// Written returns when the newest version was written, without reading it: the zero time on KV version 1, where that is not
// known and nothing is asked. Its error wraps envsource.ErrMissing where the version is deleted or destroyed.
func (k *KV) Written(ctx context.Context, below string) (time.Time, error) {
	if k.root.Kind == envsource.KindKV1 {
		return time.Time{}, nil
	}
	path := k.at("metadata/", below)
	stamp, err := k.source.client.Version(ctx, k.read(below))
	if errors.Is(err, envsource.ErrMissing) {
		return time.Time{}, fmt.Errorf("%s: %w", k.read(below), err)
	}
	if err != nil {
		return time.Time{}, k.denied(ctx, path, k.all("metadata/", below), "read", err)
	}
	_, created, _ := strings.Cut(stamp, " ")
	return moment(created), nil
}

// Read returns the newest version's fields, and when it was written; the zero time where that is not known.
func (k *KV) Read(ctx context.Context, below string) (map[string]json.RawMessage, time.Time, error) {
	r := k.read(below)
	answer, err := k.source.request(ctx, r)
	if err != nil {
		return nil, time.Time{}, k.denied(ctx, r.Path, k.all("data/", below), "read", k.source.client.classify(r.String(), err))
	}
	if answer == nil {
		return nil, time.Time{}, envsource.Mark(fmt.Errorf("nothing at %s", r), envsource.ErrMissing)
	}
	data, created := answer.Data, ""
	if r.Kind == envsource.KindKV2 {
		metadata, _ := data["metadata"].(map[string]any)
		created, _ = metadata["created_time"].(string)
		if data, _ = data["data"].(map[string]any); data == nil {
			return nil, time.Time{}, envsource.Mark(gone(r, metadata), envsource.ErrMissing)
		}
	}
	fields, err := fieldsOf(data)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("%s: %w", r, err)
	}
	return fields, moment(created), nil
}

// at is where the API has what is below; kind is the part that KV version 2 alone has.
func (k *KV) at(kind, below string) string {
	if k.root.Kind == envsource.KindKV1 {
		kind = ""
	}
	return strings.TrimSuffix(k.root.Mount+kind+strings.Trim(k.root.Path+"/"+below, "/"), "/")
}

// all is the path of a policy that allows what is below, and all beside it.
func (k *KV) all(kind, below string) string {
	if below == "" {
		return k.at(kind, "")
	}
	return k.at(kind, "") + "/*"
}

func (k *KV) read(below string) envsource.Read {
	r := k.root
	r.Path = k.at("data/", below)
	return r
}

// denied says of a denial which line of a policy is lacking.
func (k *KV) denied(ctx context.Context, path, allowed, capability string, err error) error {
	if !errors.Is(err, envsource.ErrDenied) {
		return err
	}
	if dead := k.source.tokenDead(ctx); dead != nil {
		return dead
	}
	return envsource.Mark(fmt.Errorf("%s: permission denied: the token's policies lack: path %q { capabilities = [%q] }", path, allowed, capability), envsource.ErrDenied)
}

// moment reads a time of the server's; the zero time where it is none.
func moment(text string) time.Time {
	at, _ := time.Parse(time.RFC3339Nano, text)
	return at
}

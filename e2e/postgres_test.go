package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// postgres is a cluster of the suite's own. It has a database app, a group app_users that may connect to it, and a
// superuser for Vault.
type postgres struct {
	address  string // host:port
	password string // of the superuser postgres, and of vault-admin
	process  *process
}

// sharedPostgres is the one cluster; each test has users of its own in it.
var sharedPostgres = sync.OnceValues(func() (*postgres, error) {
	p, err := startPostgres()
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	return p, nil
})

func startPostgres() (*postgres, error) {
	bin, err := postgresPrograms()
	if err != nil {
		return nil, err
	}
	identity, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(scratch, "postgres-")
	if err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	p := &postgres{password: randomHex(12)}
	passwordFile := filepath.Join(dir, "password")
	if err := os.WriteFile(passwordFile, []byte(p.password+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("write password: %w", err)
	}
	if identity != nil {
		for _, name := range []string{dir, passwordFile} {
			if err := os.Chown(name, int(identity.Uid), int(identity.Gid)); err != nil {
				return nil, fmt.Errorf("hand folder over: %w", err)
			}
		}
	}
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", filepath.Join(dir, "data"), "-U", "postgres",
		"-A", "scram-sha-256", "--pwfile="+passwordFile, "-N", "--no-locale", "-E", "UTF8")
	initdb.Dir, initdb.SysProcAttr = dir, &syscall.SysProcAttr{Credential: identity}
	if said, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, said)
	}
	if err := p.serve(bin, dir, identity); err != nil {
		return nil, err
	}
	return p, p.seed()
}

// serve starts the server itself, not pg_ctl, so that it is a child that dies with the suite.
func (p *postgres) serve(bin, dir string, identity *syscall.Credential) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	p.address = "127.0.0.1:" + strconv.Itoa(port)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return fmt.Errorf("make log: %w", err)
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(bin, "postgres"), "-D", filepath.Join(dir, "data"),
		"-h", "127.0.0.1", "-p", strconv.Itoa(port), "-k", dir, "-c", "fsync=off", "-c", "max_connections=200")
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: identity}
	p.process, err = startProcess(cmd, syscall.SIGQUIT)
	if err != nil {
		return err
	}
	cleanup.add(func() { p.process.stop(syscall.SIGINT) }) // TERM would wait for clients
	err = poll(time.Minute, 50*time.Millisecond, func() error {
		if !p.process.running() {
			return errors.New("it ended")
		}
		return p.exec("postgres", "SELECT 1")
	})
	if err != nil {
		said, _ := os.ReadFile(log.Name())
		return fmt.Errorf("wait until it serves: %w\n%s", err, said)
	}
	return nil
}

func (p *postgres) seed() error {
	// CONNECT is given to a group, and users are put into it: users that are granted it themselves all change the one
	// row of the database, and two at a time make PostgreSQL answer "tuple concurrently updated".
	return p.exec("postgres",
		`CREATE ROLE "vault-admin" SUPERUSER LOGIN PASSWORD '`+p.password+`'`,
		`CREATE ROLE app_users`,
		`CREATE DATABASE app`,
		`REVOKE CONNECT ON DATABASE app FROM PUBLIC`,
		`GRANT CONNECT ON DATABASE app TO app_users`,
	)
}

// connect opens a connection as the superuser.
func (p *postgres) connect(ctx context.Context, database string) (*pgx.Conn, error) {
	return pgx.Connect(ctx, fmt.Sprintf("postgres://postgres:%s@%s/%s?sslmode=disable", p.password, p.address, database))
}

func (p *postgres) exec(database string, statements ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := p.connect(ctx, database)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close(ctx)
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("execute: %w", err)
		}
	}
	return nil
}

// users are the database users that exist now and whose names begin with prefix.
func (p *postgres) users(prefix string) ([]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := p.connect(ctx, "postgres")
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	defer conn.Close(ctx)
	return usersOver(ctx, conn, prefix)
}

func usersOver(ctx context.Context, conn *pgx.Conn, prefix string) ([]string, error) {
	rows, err := conn.Query(ctx, "SELECT rolname::text FROM pg_roles WHERE starts_with(rolname::text, $1)", prefix)
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// databaseRole makes a role of the tenant's database mount, whose users userPrefix tells apart.
func (t *tenant) databaseRole(p *postgres, name, defaultTTL, maxTTL string) error {
	if err := t.mountDatabase(p); err != nil {
		return err
	}
	_, err := t.vault.do(http.MethodPost, t.db+"/roles/"+name, map[string]any{
		"db_name":     "postgres",
		"default_ttl": defaultTTL,
		"max_ttl":     maxTTL,
		"creation_statements": []string{
			`CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'`,
			`GRANT app_users TO "{{name}}"`,
		},
	})
	return err
}

// staticRole makes a static role of the tenant's database mount, of a user that may connect to the database app.
func (t *tenant) staticRole(p *postgres, name, period string) error {
	if err := t.mountDatabase(p); err != nil {
		return err
	}
	user := "static_" + t.tag + "_" + name
	if err := p.exec("postgres", `CREATE ROLE "`+user+`" LOGIN`, `GRANT app_users TO "`+user+`"`); err != nil {
		return err
	}
	role := map[string]any{"db_name": "postgres", "username": user, "rotation_period": period}
	if strings.Contains(period, " ") {
		delete(role, "rotation_period")
		role["rotation_schedule"] = period
	}
	_, err := t.vault.do(http.MethodPost, t.db+"/static-roles/"+name, role)
	return err
}

// duplicateDatabase is the SQLSTATE of a database that exists, as a tenant's does after it moved to another server.
const duplicateDatabase = "42P04"

// mountDatabase points the mount at a database of the tenant's own: the default revocation changes the row of the
// database it is connected to, and tenants must not disturb one another there.
func (t *tenant) mountDatabase(p *postgres) error {
	if t.databaseMounted {
		return nil
	}
	admin := "admin_" + t.tag
	err := p.exec("postgres", "CREATE DATABASE "+admin)
	if exists, ok := errors.AsType[*pgconn.PgError](err); ok && exists.Code == duplicateDatabase {
		err = nil
	}
	if err != nil {
		return err
	}
	if err := t.mount(t.db, map[string]any{"type": "database"}); err != nil {
		return err
	}
	_, err = t.vault.do(http.MethodPost, t.db+"/config/postgres", map[string]any{
		"plugin_name":       "postgresql-database-plugin",
		"allowed_roles":     "*",
		"connection_url":    "postgresql://{{username}}:{{password}}@" + p.address + "/" + admin + "?sslmode=disable",
		"username":          "vault-admin",
		"password":          p.password,
		"username_template": "v-" + t.tag + "-{{.RoleName}}-{{random 12}}",
	})
	t.databaseMounted = err == nil
	return err
}

func (t *tenant) userPrefix(role string) string { return "v-" + t.tag + "-" + role + "-" }

// postgresPrograms is the folder of initdb and postgres: the one of PATH, or the newest that Debian installed.
func postgresPrograms() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", errors.New("initdb was not found in PATH nor in /usr/lib/postgresql/*/bin: apt-get install -y postgresql")
	}
	newest := slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })
	return filepath.Dir(newest), nil
}

// version is the 15 of /usr/lib/postgresql/15/bin/initdb.
func version(path string) int {
	number, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	return number
}

// unprivileged is the user that PostgreSQL runs as, since it refuses root; nil is whoever runs the suite.
func unprivileged() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		account, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, fmt.Errorf("find a user other than root: %w", err)
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("read uid: %w", err)
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("read gid: %w", err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

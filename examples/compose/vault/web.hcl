# As `vwrap plan --policy --ask` prints it for web/vwrap.yaml. sys/leases/revoke lets vwrap give back what it no longer uses.
path "database/creds/web" { capabilities = ["read"] }
path "secret/data/shop/web" { capabilities = ["read"] }
path "secret/metadata/shop/web" { capabilities = ["read"] }
path "sys/leases/renew" { capabilities = ["update"] }
path "sys/leases/revoke" { capabilities = ["update"] }

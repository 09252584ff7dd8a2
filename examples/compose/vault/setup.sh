#!/bin/sh
# Makes of an empty Vault the one that web needs, or unseals the one that is there. Standard output gets one thing, a
# wrapping token for a secret_id: ten minutes, one use.
#
# The unseal key and the root token are in the volume vault-keys: who can read that has everything. For a laptop.
set -eu
umask 077
exec 3>&1 1>&2

# vault status: 0 unsealed, 2 sealed, 1 no answer
until vault status >/dev/null 2>&1 || [ $? = 2 ]; do sleep 0.2; done

if ! vault operator init -status >/dev/null; then
  echo "initialising Vault"
  vault operator init -key-shares=1 -key-threshold=1 >/keys/new
  mv /keys/new /keys/init
fi
sed -n 's/^Unseal Key 1: //p' /keys/init | vault write sys/unseal key=- >/dev/null
VAULT_TOKEN=$(sed -n 's/^Initial Root Token: //p' /keys/init)
export VAULT_TOKEN
until vault read sys/leader >/dev/null 2>&1; do sleep 0.2; done

if [ ! -e /keys/done ]; then
  vault secrets list -format=yaml | grep -q '^secret/:' || vault secrets enable -path=secret -version=2 kv
  until head -c 24 /dev/urandom | base64 | tr -d '\n' | vault kv put secret/shop/web api_key=-; do sleep 0.2; done # a new mount takes a moment

  vault secrets list -format=yaml | grep -q '^database/:' || vault secrets enable database
  tr -d '\n' </run/secrets/postgres_password | vault write database/config/shop \
    plugin_name=postgresql-database-plugin allowed_roles=web \
    connection_url='postgresql://{{username}}:{{password}}@postgres:5432/shop?sslmode=disable' username=postgres password=-
  vault write database/roles/web db_name=shop creation_statements=@/setup/role.sql default_ttl=1h max_ttl=24h

  vault policy write web /setup/web.hcl
  vault auth list -format=yaml | grep -q '^approle/:' || vault auth enable approle
  vault write auth/approle/role/web token_policies=web token_period=1h secret_id_num_uses=1 secret_id_ttl=10m
  vault write auth/approle/role/web/role-id role_id=shop-web # a name, no secret

  # From here on nobody but Vault knows PostgreSQL's password.
  vault write -force database/rotate-root/shop
  touch /keys/done
fi

vault write -force -wrap-ttl=10m -field=wrapping_token auth/approle/role/web/secret-id >&3

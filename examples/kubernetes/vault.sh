#!/bin/sh
# What the shop needs at Vault, once, by somebody who may: KUBERNETES is the API's address as Vault reaches it.
set -eu
vault auth list -format=yaml | grep -q '^kubernetes/:' || vault auth enable kubernetes
vault write auth/kubernetes/config kubernetes_host="${KUBERNETES:-https://kubernetes.default.svc}"
vault policy write shop - <<'POLICY'
path "secret/data/shop/web" { capabilities = ["read"] }
path "secret/metadata/shop/web" { capabilities = ["read"] }
path "database/creds/shop" { capabilities = ["read"] }
path "sys/leases/renew" { capabilities = ["update"] }
path "sys/leases/revoke" { capabilities = ["update"] }
POLICY
vault write auth/kubernetes/role/shop bound_service_account_names=shop bound_service_account_namespaces=default \
  audience=vault token_policies=shop token_ttl=1h

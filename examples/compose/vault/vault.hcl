storage "file" {
  path = "/vault/file"
}

listener "tcp" {
  address     = "0.0.0.0:8200" # of its container; compose.yaml publishes it on the loopback address alone
  tls_disable = true
}

api_addr = "http://vault:8200"

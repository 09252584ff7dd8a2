package forms

import (
	"slices"
	"strings"
)

// commonWords stand in code and prose without being anybody's secret.
var commonWords = []string{
	"administrator", "anonymous", "changeit", "changeme", "change-me", "change_me", "database", "development", "disabled", "elasticsearch", "localhost",
	"mongodb", "mysecretpassword", "password", "passw0rd", "password1", "password123", "postgres", "postgresql", "production", "rabbitmq",
	"secretpassword", "supersecret", "undefined", "username", "127.0.0.1", "localhost.localdomain", "test1234", "testpassword", "testtest", "password!", "letmein!",
	"null", "none", "true", "false", "yes", "default", "disabled", "enabled", "local", "test", "prod", "debug", "info", "warn", "error", "root", "admin", "user", "guest", "http", "https", "mysql", "redis", "main", "public",
	"required", "optional", "internal", "external", "application", "application/json", "us-east-1", "us-east-2", "us-west-1", "us-west-2",
	"eu-west-1", "eu-central-1", "example.com", "http://localhost", "https://localhost",
}

// Common reports whether a value is an everyday word, or one letter again and again: it stands in many places without being meant.
func Common(value string) bool {
	word := strings.ToLower(value)
	return word == "" || slices.Contains(commonWords, word) || strings.Count(word, word[:1]) == len(word)
}

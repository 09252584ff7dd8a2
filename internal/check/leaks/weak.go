package leaks

import (
	"slices"
	"strings"
)

// shortestValue is what a value needs to be looked for: less stands anywhere by chance.
const shortestValue = 8

// commonWords stand in code and prose without being anybody's secret. Shorter ones need no mention.
var commonWords = []string{
	"administrator", "anonymous", "changeit", "changeme", "change-me", "change_me", "database", "development", "disabled", "elasticsearch", "localhost",
	"mongodb", "mysecretpassword", "password", "passw0rd", "password1", "password123", "postgres", "postgresql", "production", "rabbitmq",
	"secretpassword", "supersecret", "undefined", "username", "127.0.0.1", "localhost.localdomain", "test1234", "testpassword", "testtest", "password!", "letmein!",
	"required", "optional", "internal", "external", "application", "application/json", "us-east-1", "us-east-2", "us-west-1", "us-west-2",
	"eu-west-1", "eu-central-1", "example.com", "http://localhost", "https://localhost",
}

// weak says why a value is not looked for, or "".
func weak(value string) string {
	word := strings.ToLower(value)
	switch {
	case len(value) < shortestValue:
		return "its value is shorter than 8 bytes"
	case strings.Trim(value, "0123456789.,+-") == "":
		return "its value is a number"
	case slices.Contains(commonWords, word), strings.Count(word, word[:1]) == len(word):
		return "its value is a common word"
	}
	return ""
}

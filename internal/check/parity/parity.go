// Package parity compares the keys that are in Vault with those that a manifest, or another Vault, says have to be there. It
// reads a secret only where the manifest says something of its value or its fields; a value is answered for with yes or no
// and forgotten, and no finding, no error and no diff has one in it. It prints nothing, and changes nothing in Vault.
package parity

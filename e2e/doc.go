// Package e2e tests the built vwrap binary from the outside, against a real Vault and a real PostgreSQL.
//
// The scenarios are the files of testdata/script, which read like terminal sessions; the commands that they may use
// beside testscript's own are listed in the README. The module is apart from vwrap's, so that what the tests depend
// on never comes near the binary. It is not the place for what a unit test can hold.
package e2e

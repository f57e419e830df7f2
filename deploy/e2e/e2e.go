// Package e2e tests unionlink as a user runs it: the built binary in processes of its own,
// on real data, over its real addresses.
package e2e

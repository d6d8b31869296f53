// Package redistest starts real Redis servers for tests: one alone, a Cluster, a master with Sentinels, and a TCP proxy
// that loses replies.
//
// Servers listen on 127.0.0.1 only, keep their files in the test's temporary directory and end with the test. By
// default they write an append-only file and sync it before they answer, as a deployment that keeps its promises does.
// A machine without redis-server fails the test, so that nothing passes by not running.
package redistest

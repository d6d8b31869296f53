package transport_test

// backends are the ways to carry conns on every system.
var backends = []backend{{name: "goroutines"}}

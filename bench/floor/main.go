package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to serve on, HOST:PORT; port 0 picks a free one")
	flag.Parse()
	if err := serve(*listen, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "floor: %v\n", err)
		os.Exit(1)
	}
}

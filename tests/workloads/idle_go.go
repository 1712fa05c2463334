// SPDX-License-Identifier: Apache-2.0

// idle_go SECONDS: an HTTP server that nobody asks much of: one request and one tick at a time, all of
// which wakes threads that have nothing else to do. Prints how many there were.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"
)

//go:noinline
func answer(w http.ResponseWriter, r *http.Request) {
	io.WriteString(w, "hello\n")
}

func main() {
	seconds, err := strconv.ParseFloat(os.Args[1], 64)
	if err != nil {
		os.Exit(2)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go http.Serve(listener, http.HandlerFunc(answer))
	ticks := 0
	end := time.Now().Add(time.Duration(seconds * float64(time.Second)))
	for range time.Tick(20 * time.Millisecond) {
		if ticks++; ticks%10 == 0 {
			reply, err := http.Get("http://" + listener.Addr().String())
			if err != nil {
				os.Exit(1)
			}
			io.Copy(io.Discard, reply.Body)
			reply.Body.Close()
		}
		if time.Now().After(end) {
			break
		}
	}
	fmt.Printf("{\"ticks\":%d}\n", ticks)
}

// SPDX-License-Identifier: Apache-2.0

// Writes the go-*.pb.gz files of this folder: go run profiles.go FOLDER
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"sync"
	"time"
)

type shape struct{ sum int }

func (s *shape) burn(n int) {
	for i := 0; i < n; i++ {
		s.sum = s.sum*31 + i
	}
}

func recurse(s *shape, depth int) {
	s.burn(2000)
	if depth > 0 {
		recurse(s, depth-1)
	}
}

func generic[T any](s *shape, v T) T {
	s.burn(20000)
	return v
}

var kept [][]byte

func allocate() {
	for i := 0; i < 64; i++ {
		kept = append(kept, make([]byte, 256<<10))
		_ = make([]byte, 128<<10)
	}
}

func contend() {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := 0; i < 4; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for j := 0; j < 20; j++ {
				mu.Lock()
				time.Sleep(100 * time.Microsecond)
				mu.Unlock()
			}
		}()
	}
	wg.Wait()
}

func write(folder, name string) {
	f, err := os.Create(filepath.Join(folder, "go-"+name+".pb.gz"))
	if err != nil {
		panic(err)
	}
	defer f.Close()
	if err := pprof.Lookup(name).WriteTo(f, 0); err != nil {
		panic(err)
	}
}

func main() {
	folder := os.Args[1]
	runtime.SetBlockProfileRate(1)
	runtime.SetMutexProfileFraction(1)

	f, err := os.Create(filepath.Join(folder, "go-cpu.pb.gz"))
	if err != nil {
		panic(err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		panic(err)
	}
	s := &shape{}
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
		pprof.Do(context.Background(), pprof.Labels("phase", "recurse"), func(context.Context) {
			recurse(s, 8)
		})
		_ = generic(s, "a")
	}
	pprof.StopCPUProfile()
	f.Close()

	allocate()
	contend()
	stop := make(chan struct{})
	for i := 0; i < 5; i++ {
		go func() { <-stop }()
	}
	time.Sleep(10 * time.Millisecond)
	runtime.GC()
	for _, name := range []string{"heap", "allocs", "block", "mutex", "goroutine", "threadcreate"} {
		write(folder, name)
	}
	fmt.Fprintln(os.Stderr, s.sum, len(kept))
}

// SPDX-License-Identifier: Apache-2.0

// Writes profiles of every kind that Go's runtime has, of a program that does something: its
// arguments are a folder and a name.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"sort"
	"strings"
	"sync"
	"time"
)

type node struct {
	left, right *node
	text        string
}

func grow(depth int) *node {
	if depth == 0 {
		return nil
	}
	return &node{grow(depth - 1), grow(depth - 1), strings.Repeat("x", depth)}
}

func (n *node) count() int {
	if n == nil {
		return 0
	}
	return 1 + n.left.count() + n.right.count()
}

func hash(rounds int) (sum [32]byte) {
	for i := 0; i < rounds; i++ {
		sum = sha256.Sum256(sum[:])
	}
	return
}

func generic[T int | float64](n int) (sum T) {
	for i := 0; i < n; i++ {
		sum += T(i % 7)
	}
	return
}

var kept []*node

func work(until time.Time) {
	var mutex sync.Mutex
	var wait sync.WaitGroup
	for w := 0; w < 4; w++ {
		w := w
		wait.Add(1)
		go pprof.Do(context.Background(), pprof.Labels("worker", string(rune('a'+w)), "kind", "busy"),
			func(context.Context) {
				defer wait.Done()
				for time.Now().Before(until) {
					switch w {
					case 0:
						hash(500)
					case 1:
						b, _ := json.Marshal(map[string]any{"n": grow(7).count(), "s": strings.Split("a,b,c", ",")})
						kept = append(kept[:0], &node{text: string(b)})
					case 2:
						mutex.Lock()
						generic[int](100000)
						mutex.Unlock()
						generic[float64](1000)
					default:
						mutex.Lock()
						s := []string{"z", "y", "b", "a"}
						sort.Slice(s, func(i, k int) bool { return s[i] < s[k] })
						kept = append(kept, grow(3))
						mutex.Unlock()
					}
				}
			})
	}
	wait.Wait()
}

func main() {
	folder, name := os.Args[1], os.Args[2]
	runtime.MemProfileRate = 4096
	runtime.SetBlockProfileRate(1)
	runtime.SetMutexProfileFraction(1)
	cpu, _ := os.Create(filepath.Join(folder, name+".cpu.pb.gz"))
	pprof.StartCPUProfile(cpu)
	idle := make(chan int)
	for i := 0; i < 5; i++ {
		go func() { <-idle }()
	}
	work(time.Now().Add(1500 * time.Millisecond))
	pprof.StopCPUProfile()
	cpu.Close()
	for _, kind := range []string{"heap", "allocs", "block", "mutex", "goroutine", "threadcreate"} {
		f, err := os.Create(filepath.Join(folder, name+"."+kind+".pb.gz"))
		if err != nil {
			panic(err)
		}
		pprof.Lookup(kind).WriteTo(f, 0)
		f.Close()
	}
	close(idle)
}

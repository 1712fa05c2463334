// SPDX-License-Identifier: Apache-2.0

// cpu_go SECONDS [WORKERS]: goroutines, each locked to a thread so that a thread's clock is its clock.
//
//	main.worker                       100 %
//	|- main.alpha                      50 %
//	|  `- main.spin                    50 %
//	|- main.beta                       30 %
//	|  `- main.(*mixer).churn          30 %
//	`- main.gamma                      20 %
//	   `- main.inlined (inlined)       20 %
//
// Functions are neither inlined nor split, but for main.inlined, which the compiler inlines.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

const unit = 400000
const clockThreadCPU = 3

func threadNS() uint64 {
	var ts syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockThreadCPU, uintptr(unsafe.Pointer(&ts)), 0)
	return uint64(ts.Nano())
}

//go:noinline
func spin(n uint64) uint64 {
	x := n
	pass(&x)
	for ; n > 0; n-- {
		x = x*6364136223846793005 + 1
	}
	return x
}

type mixer struct{ state uint64 }

//go:noinline
func (m *mixer) churn(n uint64) {
	x := m.state
	pass(&x)
	for ; n > 0; n-- {
		x = x*6364136223846793005 + 1
	}
	m.state = x
}

func inlined(x, n uint64) uint64 {
	for ; n > 0; n-- {
		x = x*6364136223846793005 + 1
	}
	return x
}

//go:noinline
func alpha() uint64 { return spin(5*unit) + 1 }

//go:noinline
func beta(m *mixer) uint64 {
	m.churn(3 * unit)
	return m.state + 1
}

//go:noinline
func gamma(x uint64) uint64 {
	pass(&x)
	return inlined(x, 2*unit) + 1
}

// A call, so that its caller keeps a frame: Go's leaves have none, and hide who called them from a walk
// by frame pointers.
//
//go:noinline
func pass(x *uint64) { *x++ }

type truth struct{ alpha, beta, gamma, marks uint64 }

var sink uint64

//go:noinline
func worker(end time.Time, t *truth) {
	runtime.LockOSThread()
	m := &mixer{state: 1}
	x := uint64(0)
	mark := threadNS()
	for time.Now().Before(end) {
		x += alpha()
		now := threadNS()
		t.alpha += now - mark
		mark = now
		x += beta(m)
		now = threadNS()
		t.beta += now - mark
		mark = now
		x += gamma(x)
		now = threadNS()
		t.gamma += now - mark
		mark = now
		t.marks += 3
	}
	sink = x
}

func main() {
	if len(os.Args) < 2 || len(os.Args) > 3 {
		fmt.Fprintln(os.Stderr, "usage: cpu_go SECONDS [WORKERS]")
		os.Exit(2)
	}
	seconds, err := strconv.ParseFloat(os.Args[1], 64)
	workers := 2
	if err == nil && len(os.Args) == 3 {
		workers, err = strconv.Atoi(os.Args[2])
	}
	if err != nil || seconds <= 0 || workers < 1 || workers > 256 {
		fmt.Fprintln(os.Stderr, "cpu_go: SECONDS above 0, WORKERS in 1..256")
		os.Exit(2)
	}
	end := time.Now().Add(time.Duration(seconds * float64(time.Second)))
	truths := make([]truth, workers)
	var all sync.WaitGroup
	for i := range truths {
		all.Add(1)
		go func(t *truth) {
			defer all.Done()
			worker(end, t)
		}(&truths[i])
	}
	all.Wait()

	var t truth
	for _, w := range truths {
		t.alpha += w.alpha
		t.beta += w.beta
		t.gamma += w.gamma
		t.marks += w.marks
	}
	// What a mark costs, and the few instructions of worker around it: ten times a call of the clock.
	start := threadNS()
	for i := 0; i < 10000; i++ {
		threadNS()
	}
	t.marks *= (threadNS() - start) / 1000
	show := func(name string, self, cum uint64) {
		fmt.Printf("{\"function\":%q,\"self_ns\":%d,\"cum_ns\":%d}\n", name, self, cum)
	}
	show("main.worker", 0, t.alpha+t.beta+t.gamma)
	show("main.alpha", 0, t.alpha)
	show("main.spin", t.alpha, t.alpha)
	show("main.beta", 0, t.beta)
	show("main.(*mixer).churn", t.beta, t.beta)
	show("main.gamma", 0, t.gamma)
	show("main.inlined", t.gamma, t.gamma)
	fmt.Printf("{\"total_ns\":%d,\"clock_ns\":%d}\n", t.alpha+t.beta+t.gamma, t.marks)
}

package main

import (
	"os"
	"runtime"
	"strconv"
)

func main() {
	os.Stdout.WriteString(strconv.Itoa(runtime.GOMAXPROCS(0)) + "\n")
}

// What anybody writes who reads a stream in Go: net/http asks for gzip by itself.
package main

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
)

func main() {
	answer, err := http.Get(os.Args[1])
	if err != nil {
		panic(err)
	}
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		fmt.Println(lines.Text())
	}
}

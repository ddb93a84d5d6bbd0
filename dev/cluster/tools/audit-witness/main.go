// Reads a copy of an audit log with Go's own packages for transparency logs, and says whether they accept it:
//
//	witness KEY CHECKPOINTS ENTRIES PROOF
//
// KEY is the public key, CHECKPOINTS all signed checkpoints, ENTRIES the log, PROOF a C2SP tlog-proof of one entry.
package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// hashes keeps what tlog stores of a log, as a store of its own would.
type hashes []tlog.Hash

func (kept *hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(indexes))
	for place, index := range indexes {
		if index >= int64(len(*kept)) {
			return nil, fmt.Errorf("hash %d is not there yet", index)
		}
		found[place] = (*kept)[index]
	}
	return found, nil
}

func main() {
	log.SetFlags(0)
	verifier, err := note.NewVerifier(strings.TrimSpace(read(1)))
	must(err)
	verifiers := note.VerifierList(verifier)
	entries := bytes.Split(bytes.TrimSuffix([]byte(read(3)), []byte("\n")), []byte("\n"))

	var kept hashes
	for number, entry := range entries {
		stored, err := tlog.StoredHashes(int64(number), entry, &kept)
		must(err)
		kept = append(kept, stored...)
	}
	checked := 0
	var older tlog.Tree
	for _, signed := range split(read(2)) {
		tree := open(signed, verifiers)
		root, err := tlog.TreeHash(tree.N, &kept)
		must(err)
		if root != tree.Hash {
			log.Fatalf("the checkpoint over %d has another root", tree.N)
		}
		if older.N > 0 {
			proof, err := tlog.ProveTree(tree.N, older.N, &kept)
			must(err)
			must(tlog.CheckTree(proof, tree.N, tree.Hash, older.N, older.Hash))
		}
		older = tree
		checked++
	}
	number := included(read(4), verifiers, entries)
	fmt.Printf("%d entries, %d checkpoints, entry %d proven\n", len(entries), checked, number)
}

// included checks a tlog-proof and returns the number of its entry.
func included(text string, verifiers note.Verifiers, entries [][]byte) int64 {
	head, checkpoint, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(head, "\n")
	if lines[0] != "c2sp.org/tlog-proof@v1" {
		log.Fatalf("no proof begins with %q", lines[0])
	}
	number, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	must(err)
	var proof tlog.RecordProof
	for _, line := range lines[2:] {
		proof = append(proof, hash(line))
	}
	tree := open(checkpoint, verifiers)
	must(tlog.CheckRecord(proof, tree.N, tree.Hash, number, tlog.RecordHash(entries[number])))
	return number
}

// open checks the signature of a checkpoint and reads it.
func open(signed string, verifiers note.Verifiers) tlog.Tree {
	opened, err := note.Open([]byte(signed), verifiers)
	must(err)
	lines := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err)
	return tlog.Tree{N: size, Hash: hash(lines[2])}
}

func hash(text string) (found tlog.Hash) {
	raw, err := base64.StdEncoding.DecodeString(text)
	must(err)
	copy(found[:], raw)
	return found
}

// split cuts a file of notes: each ends with its signature.
func split(text string) (found []string) {
	begun, signed := 0, false
	lines := strings.SplitAfter(text, "\n")
	for place, line := range lines {
		if signed && !strings.HasPrefix(line, "— ") {
			found, begun, signed = append(found, strings.Join(lines[begun:place], "")), place, false
		}
		signed = signed || strings.HasPrefix(line, "— ")
	}
	return found
}

func read(argument int) string {
	raw, err := os.ReadFile(os.Args[argument])
	must(err)
	return string(raw)
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

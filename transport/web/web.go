// Package web holds the web page: a messenger for people, whose keys stay in their browsers and whose messages are
// encrypted there.
//
// The page is the files of the directory page, embedded as they are: HTML, CSS and ES modules, with nothing built and
// nothing fetched from elsewhere. page/main.js is where it begins and says how its modules stand on each other. This
// package turns the files into answers and knows nothing of HTTP servers:
//
//	/                       index.html, with "@" in its addresses replaced by the version; revalidated at each visit
//	/web/<version>/<file>   everything else; may be cached for ever
//
// The version is a hash of all files, so that a new server never mixes its modules with cached old ones. Addresses
// in the page are relative: it works below any prefix. All files together are a few dozen kilobytes, compressed once.
package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Prefix is where all files but the page itself are. No other resource of the server begins with it.
const Prefix = "/web/"

// Values of Cache-Control.
const (
	revalidate = "no-cache"
	forever    = "public, max-age=31536000, immutable"
)

const indexFile = "index.html"

// What index.html has in the places that depend on the version.
const (
	versionMark = "web/@/"
	modulesMark = "<!--modules-->"
)

//go:embed page
var embedded embed.FS

// File is one resource. It does not change.
type File struct {
	Type         string // of the content, with charset
	Body         []byte
	Gzip         []byte // Body compressed; nil where that gains nothing
	ETag         string // of Body, quoted; see [File.Encoded]
	CacheControl string
	IsPage       bool // the HTML page, which needs the headers of [PageHeaders]
}

// Site is the page with all that belongs to it. It is safe for concurrent use.
type Site struct {
	page  *File
	files map[string]*File // by path
}

// New returns the embedded page.
func New() *Site {
	tree, err := fs.Sub(embedded, "page")
	if err == nil {
		var s *Site
		if s, err = newSite(tree); err == nil {
			return s
		}
	}
	panic("web: the embedded page is not whole: " + err.Error()) // a mistake in this package; its tests would see it
}

func newSite(tree fs.FS) (*Site, error) {
	contents := map[string][]byte{}
	hash := sha256.New()
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(tree, name)
		contents[name] = text
		fmt.Fprintf(hash, "%s %d\n%s", name, len(text), text)
		return err
	})
	if err != nil {
		return nil, err
	}
	version := hex.EncodeToString(hash.Sum(nil)[:8])
	s := &Site{files: map[string]*File{}}
	var modules strings.Builder
	for name, text := range contents {
		if name == indexFile {
			continue
		}
		file, err := newFile(name, text, forever)
		if err != nil {
			return nil, err
		}
		s.files[Prefix+version+"/"+name] = file
	}
	for _, name := range modulesOf(contents) {
		// Without this a browser finds out about modules one import after the other.
		fmt.Fprintf(&modules, "<link rel=\"modulepreload\" href=\"%s%s\">\n", versionMark, name)
	}
	index := bytes.ReplaceAll(contents[indexFile], []byte(modulesMark), []byte(strings.TrimSpace(modules.String())))
	index = bytes.ReplaceAll(index, []byte(versionMark), []byte(strings.TrimPrefix(Prefix, "/")+version+"/"))
	if s.page, err = newFile(indexFile, index, revalidate); err == nil {
		s.page.IsPage = true
	}
	return s, err
}

// Page returns the resource at /.
func (s *Site) Page() *File { return s.page }

// File returns the resource at a path that begins with [Prefix], nil if there is none.
func (s *Site) File(path string) *File { return s.files[path] }

// Paths returns the paths of all files but the page, in no order.
func (s *Site) Paths() []string {
	paths := make([]string, 0, len(s.files))
	for path := range s.files {
		paths = append(paths, path)
	}
	return paths
}

// Encoded returns what to send: the compressed body if the client takes it and there is one, with the value of
// Content-Encoding, and the ETag of exactly these bytes.
func (f *File) Encoded(gzip bool) (body []byte, encoding, etag string) {
	if gzip && f.Gzip != nil {
		return f.Gzip, "gzip", f.ETag[:len(f.ETag)-1] + `-gzip"`
	}
	return f.Body, "", f.ETag
}

// types are the kinds of files that the page is made of.
var types = map[string]string{
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".svg":  "image/svg+xml",
}

func newFile(name string, body []byte, cache string) (*File, error) {
	kind := types[path.Ext(name)]
	if kind == "" {
		return nil, fmt.Errorf("%s: no content type for files of this kind", name)
	}
	sum := sha256.Sum256(body)
	f := &File{Type: kind, Body: body, ETag: `"` + hex.EncodeToString(sum[:12]) + `"`, CacheControl: cache}
	var small bytes.Buffer
	w, err := gzip.NewWriterLevel(&small, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err = w.Write(body); err == nil {
		err = w.Close()
	}
	if small.Len() < len(body) {
		f.Gzip = small.Bytes()
	}
	return f, err
}

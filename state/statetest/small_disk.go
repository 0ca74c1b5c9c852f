package statetest

import (
	"sync"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// SmallDisk is a file system with a size. What does not fit fails with ENOSPC, a write as on a real one:
// its beginning is there. Safe for concurrent use.
type SmallDisk struct {
	vfs.FS

	mu      sync.Mutex
	size    int64
	foreign int64
	files   map[string]int64
	refused int
}

// fileCost is what a file takes besides its bytes.
const fileCost = 512

// NewSmallDisk returns a disk of size bytes that holds what fs has under dir.
func NewSmallDisk(fs vfs.FS, dir string, size int64) *SmallDisk {
	d := &SmallDisk{FS: fs, size: size, files: map[string]int64{}}
	d.walk(dir)
	return d
}

func (d *SmallDisk) walk(path string) {
	info, err := d.FS.Stat(path)
	if err != nil {
		return
	}
	if !info.IsDir() {
		d.files[path] = info.Size() + fileCost
		return
	}
	names, err := d.FS.List(path)
	if err != nil {
		return
	}
	for _, n := range names {
		d.walk(d.FS.PathJoin(path, n))
	}
}

// Foreign sets what files of somebody else take; more than is left fills the disk to the last byte.
func (d *SmallDisk) Foreign(bytes int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.foreign = bytes
}

// Refused is how often something did not fit.
func (d *SmallDisk) Refused() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.refused
}

func (d *SmallDisk) free() int64 {
	left := d.size - d.foreign
	for _, n := range d.files {
		left -= n
	}
	return max(left, 0)
}

// take takes room for a file to grow to end bytes and returns how far it can.
func (d *SmallDisk) take(path string, end int64) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	grow := end + fileCost - d.files[path]
	if grow <= 0 {
		return end
	}
	if left := d.free(); grow > left {
		d.refused++
		end -= grow - left
		grow = left
	}
	d.files[path] += grow
	return end
}

// GetDiskUsage implements vfs.FS.
func (d *SmallDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	left := uint64(d.free())
	return vfs.DiskUsage{AvailBytes: left, TotalBytes: uint64(d.size), UsedBytes: uint64(d.size) - left}, nil
}

// Create implements vfs.FS.
func (d *SmallDisk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if d.take(name, 0) < 0 {
		d.forget(name)
		return nil, syscall.ENOSPC
	}
	f, err := d.FS.Create(name, c)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	d.files[name] = fileCost
	d.mu.Unlock()
	return &smallFile{File: f, disk: d, path: name}, nil
}

// OpenReadWrite implements vfs.FS.
func (d *SmallDisk) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	if d.take(name, 0) < 0 {
		d.forget(name)
		return nil, syscall.ENOSPC
	}
	f, err := d.FS.OpenReadWrite(name, c, opts...)
	if err != nil {
		return nil, err
	}
	return &smallFile{File: f, disk: d, path: name}, nil
}

func (d *SmallDisk) forget(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.files, name)
}

// Remove implements vfs.FS.
func (d *SmallDisk) Remove(name string) error {
	err := d.FS.Remove(name)
	if err == nil {
		d.forget(name)
	}
	return err
}

// Rename implements vfs.FS.
func (d *SmallDisk) Rename(oldname, newname string) error {
	err := d.FS.Rename(oldname, newname)
	if err == nil {
		d.mu.Lock()
		d.files[newname] = d.files[oldname]
		delete(d.files, oldname)
		d.mu.Unlock()
	}
	return err
}

// Unwrap implements vfs.FS.
func (d *SmallDisk) Unwrap() vfs.FS { return d.FS }

type smallFile struct {
	vfs.File
	disk *SmallDisk
	path string
	at   int64
}

func (f *smallFile) Write(b []byte) (int, error) {
	n, err := f.write(b, f.at, f.File.Write)
	f.at += int64(n)
	return n, err
}

func (f *smallFile) WriteAt(b []byte, off int64) (int, error) {
	return f.write(b, off, func(b []byte) (int, error) { return f.File.WriteAt(b, off) })
}

func (f *smallFile) write(b []byte, off int64, write func([]byte) (int, error)) (int, error) {
	end := f.disk.take(f.path, off+int64(len(b)))
	fits := min(max(end-off, 0), int64(len(b)))
	if fits == int64(len(b)) {
		return write(b)
	}
	n := 0
	if fits > 0 {
		var err error
		if n, err = write(b[:fits]); err != nil {
			return n, err
		}
	}
	return n, syscall.ENOSPC
}

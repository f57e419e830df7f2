package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// lossyDisk is a FUSE file system over a folder that can lose power: what was written to
// a file and not fsynced is gone then, back to what the file held at its last fsync. It
// is what LazyFS (github.com/dsrhaslab/lazyfs) does, the file system with which Jepsen
// tests for it: the names of files, that is creating, renaming and removing, survive;
// their bytes and their lengths do not. It is harsher than a kernel, which writes old
// pages back by itself after half a minute.
//
// Writes go to the folder at once; beside them the disk keeps what they overwrote, until
// an fsync of the file makes it forget that.
type lossyDisk struct {
	server *fuse.Server

	mu    sync.Mutex
	dirty map[uint64]*undo // by the folder's inode numbers
	lost  int
}

// undo is how to take a file back to its last fsync.
type undo struct {
	file  *os.File
	size  int64
	pages map[int64][]byte
}

const pageBytes = 4096

// mountLossy mounts a lossy disk over the folder behind at the folder at. It needs root.
func mountLossy(behind, at string) (*lossyDisk, error) {
	root, err := fs.NewLoopbackRoot(behind)
	if err != nil {
		return nil, fmt.Errorf("open the folder behind a lossy disk: %w", err)
	}
	d := &lossyDisk{dirty: map[uint64]*undo{}}
	d.server, err = fs.Mount(at, &lossyNode{LoopbackNode: root.(*fs.LoopbackNode), disk: d}, &fs.Options{
		MountOptions: fuse.MountOptions{DirectMountStrict: true, FsName: "unionlink-chaos", DisableXAttrs: true},
	})
	if err != nil {
		return nil, &unavailable{fmt.Errorf("mount a lossy disk: %w", err)}
	}
	return d, nil
}

func (d *lossyDisk) unmount() error {
	if err := d.server.Unmount(); err != nil {
		return fmt.Errorf("unmount a lossy disk: %w", err)
	}
	return nil
}

// losePower takes every file back to its last fsync and returns how many files lost
// something. Nobody may have a file open.
func (d *lossyDisk) losePower() (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	n := 0
	for ino, u := range d.dirty {
		n++
		errs = append(errs, u.restore())
		delete(d.dirty, ino)
	}
	d.lost += n
	if err := errors.Join(errs...); err != nil {
		return n, fmt.Errorf("lose power: %w", err)
	}
	return n, nil
}

func (u *undo) restore() error {
	var errs []error
	for at, old := range u.pages {
		_, err := u.file.WriteAt(old, at)
		errs = append(errs, err)
	}
	return errors.Join(append(errs, u.file.Truncate(u.size), u.file.Close())...)
}

// before keeps what a write of n bytes at off, or a truncation (n < 0), is about to
// overwrite. file may be open for writing only; d.mu is held.
func (d *lossyDisk) before(file *os.File, off, n int64) error {
	var st syscall.Stat_t
	if err := syscall.Fstat(int(file.Fd()), &st); err != nil {
		return err
	}
	u := d.dirty[st.Ino]
	if u == nil {
		own, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", file.Fd()), os.O_RDWR, 0)
		if err != nil {
			return err
		}
		u = &undo{file: own, size: st.Size, pages: map[int64][]byte{}}
		d.dirty[st.Ino] = u
	}
	end := u.size
	if n >= 0 {
		end = min(end, off+n)
	}
	for at := off / pageBytes * pageBytes; at < end; at += pageBytes {
		if _, kept := u.pages[at]; kept {
			continue
		}
		old := make([]byte, min(pageBytes, u.size-at))
		if _, err := u.file.ReadAt(old, at); err != nil {
			return err
		}
		u.pages[at] = old
	}
	return nil
}

// synced forgets what a file was before; d.mu is held.
func (d *lossyDisk) synced(file *os.File) error {
	var st syscall.Stat_t
	if err := syscall.Fstat(int(file.Fd()), &st); err != nil {
		return err
	}
	u := d.dirty[st.Ino]
	if u == nil {
		return nil
	}
	delete(d.dirty, st.Ino)
	return u.file.Close()
}

// lossyNode is a file or folder of the disk.
type lossyNode struct {
	*fs.LoopbackNode
	disk *lossyDisk
}

var (
	_ fs.NodeWrapChilder     = (*lossyNode)(nil)
	_ fs.NodeOpener          = (*lossyNode)(nil)
	_ fs.NodeCreater         = (*lossyNode)(nil)
	_ fs.NodeSetattrer       = (*lossyNode)(nil)
	_ fs.NodeCopyFileRanger  = (*lossyNode)(nil)
	_ fs.NodeTmpfiler        = (*lossyNode)(nil)
	_ fs.FileReader          = (*lossyFile)(nil)
	_ fs.FileWriter          = (*lossyFile)(nil)
	_ fs.FileFsyncer         = (*lossyFile)(nil)
	_ fs.FileReleaser        = (*lossyFile)(nil)
	_ fs.FileGetattrer       = (*lossyFile)(nil)
	_ fs.FilePassthroughFder = (*fs.LoopbackFile)(nil) // which is why lossyFile does not embed it
)

// WrapChild makes the children lossy too.
func (n *lossyNode) WrapChild(_ context.Context, ops fs.InodeEmbedder) fs.InodeEmbedder {
	if child, ok := ops.(*fs.LoopbackNode); ok {
		return &lossyNode{LoopbackNode: child, disk: n.disk}
	}
	return ops
}

func (n *lossyNode) realPath() string { return n.RootData.Path + "/" + n.Path(n.Root()) }

// Open opens the file behind.
func (n *lossyNode) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if flags&syscall.O_TRUNC != 0 {
		if errno := n.truncating(nil, 0); errno != 0 {
			return nil, 0, errno
		}
	}
	behind := int(flags) &^ (syscall.O_APPEND | syscall.O_SYNC | syscall.O_DSYNC)
	file, err := os.OpenFile(n.realPath(), behind, 0)
	if err != nil {
		return nil, 0, fs.ToErrno(err)
	}
	return newLossyFile(n.disk, file, flags), 0, 0
}

// Create creates the file behind; its name is durable at once.
func (n *lossyNode) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	inode, handle, _, errno := n.LoopbackNode.Create(ctx, name, flags&^(syscall.O_SYNC|syscall.O_DSYNC), mode, out)
	if errno != 0 {
		return nil, nil, 0, errno
	}
	file, err := os.OpenFile(n.realPath()+"/"+name, int(flags)&^(syscall.O_APPEND|syscall.O_SYNC|syscall.O_DSYNC|syscall.O_CREAT|syscall.O_EXCL|syscall.O_TRUNC), 0)
	if e := handle.(fs.FileReleaser).Release(ctx); e != 0 && err == nil {
		err = errors.Join(e, file.Close())
	}
	if err != nil {
		return nil, nil, 0, fs.ToErrno(err)
	}
	return inode, newLossyFile(n.disk, file, flags), 0, 0
}

// Setattr changes attributes; a new length is lost with the power like written bytes.
func (n *lossyNode) Setattr(ctx context.Context, f fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	lf, _ := f.(*lossyFile)
	if size, ok := in.GetSize(); ok {
		if errno := n.truncating(lf, int64(size)); errno != 0 {
			return errno
		}
	}
	if lf == nil {
		return n.LoopbackNode.Setattr(ctx, nil, in, out)
	}
	if size, ok := in.GetSize(); ok {
		if err := lf.file.Truncate(int64(size)); err != nil {
			return fs.ToErrno(err)
		}
		in.Valid &^= fuse.FATTR_SIZE
	}
	if in.Valid&(fuse.FATTR_MODE|fuse.FATTR_UID|fuse.FATTR_GID|fuse.FATTR_ATIME|fuse.FATTR_MTIME) != 0 {
		return n.LoopbackNode.Setattr(ctx, nil, in, out)
	}
	return lf.Getattr(ctx, out)
}

// truncating keeps what a new length is about to cut off.
func (n *lossyNode) truncating(lf *lossyFile, size int64) syscall.Errno {
	file := (*os.File)(nil)
	if lf != nil {
		file = lf.file
	} else {
		var err error
		if file, err = os.OpenFile(n.realPath(), os.O_RDWR, 0); err != nil {
			return fs.ToErrno(err)
		}
		defer file.Close() // it was only looked at
	}
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	return fs.ToErrno(n.disk.before(file, size, -1))
}

// CopyFileRange is not there; the kernel copies by reading and writing.
func (n *lossyNode) CopyFileRange(context.Context, fs.FileHandle, uint64, *fs.Inode, fs.FileHandle, uint64, uint64, uint64) (uint32, syscall.Errno) {
	return 0, syscall.ENOSYS
}

// Tmpfile is not there; programs make a file with a name.
func (n *lossyNode) Tmpfile(context.Context, uint32, uint32, *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	return nil, nil, 0, syscall.EOPNOTSUPP
}

// lossyFile is an open file. Opened with O_SYNC or O_DSYNC each of its writes is an fsync
// of the file.
type lossyFile struct {
	disk *lossyDisk
	file *os.File
	sync bool
}

func newLossyFile(d *lossyDisk, file *os.File, flags uint32) *lossyFile {
	return &lossyFile{disk: d, file: file, sync: flags&(syscall.O_SYNC|syscall.O_DSYNC) != 0}
}

// Read reads what was written, durable or not.
func (f *lossyFile) Read(_ context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	n, err := syscall.Pread(int(f.file.Fd()), dest, off)
	if err != nil {
		return nil, fs.ToErrno(err)
	}
	return fuse.ReadResultData(dest[:n]), 0
}

// Write writes, and keeps what it overwrites.
func (f *lossyFile) Write(_ context.Context, data []byte, off int64) (uint32, syscall.Errno) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.before(f.file, off, int64(len(data))); err != nil {
		return 0, fs.ToErrno(err)
	}
	n, err := syscall.Pwrite(int(f.file.Fd()), data, off)
	if err == nil && f.sync {
		err = f.disk.synced(f.file)
	}
	return uint32(max(n, 0)), fs.ToErrno(err)
}

// Fsync makes what was written durable. The file behind needs no fsync of its own: the
// power that is lost here is not the machine's.
func (f *lossyFile) Fsync(context.Context, uint32) syscall.Errno {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return fs.ToErrno(f.disk.synced(f.file))
}

// Getattr tells the attributes of the file behind.
func (f *lossyFile) Getattr(_ context.Context, out *fuse.AttrOut) syscall.Errno {
	var st syscall.Stat_t
	if err := syscall.Fstat(int(f.file.Fd()), &st); err != nil {
		return fs.ToErrno(err)
	}
	out.FromStat(&st)
	return 0
}

// Release closes the file; closing makes nothing durable.
func (f *lossyFile) Release(context.Context) syscall.Errno { return fs.ToErrno(f.file.Close()) }

package kafka

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Codecs of a batch (attributes, bits 0 to 2).
const (
	codecNone = iota
	codecGzip
	codecSnappy
	codecLZ4
	codecZstd
)

const (
	// maxUnpacked is the largest content of a batch, in bytes: a compressed megabyte of one letter is
	// gigabytes.
	maxUnpacked = 64 << 20
	// keepUnpacked is how much of a buffer is kept between batches.
	keepUnpacked = 8 << 20
)

var errBomb = fmt.Errorf("unpacks to more than %d MiB (a compression bomb?)", maxUnpacked>>20)

// decompressor unpacks the records of batches into a buffer that it uses again. The zero value is ready.
type decompressor struct {
	src  bytes.Reader
	out  []byte // what was unpacked since reset
	from int    // where the batch at hand begins in out
	gzip *gzip.Reader
	lz4  *lz4.Reader
	zstd *zstd.Decoder
}

// decompress returns the content of p, valid until reset.
func (d *decompressor) decompress(codec uint16, p []byte) ([]byte, error) {
	d.from = len(d.out)
	var err error
	switch codec {
	case codecNone:
		return p, nil
	case codecGzip:
		err = d.unzip(p)
	case codecSnappy:
		err = d.unsnappy(p)
	case codecLZ4:
		err = d.unlz4(p)
	case codecZstd:
		err = d.unzstd(p)
	default:
		return nil, fmt.Errorf("compression codec %d is unknown (expected 0 to 4)", codec)
	}
	return d.out[d.from:len(d.out):len(d.out)], err
}

// reset frees the buffer for the next batches; of one that grew large it lets go.
func (d *decompressor) reset() {
	d.out = d.out[:0]
	if cap(d.out) > keepUnpacked {
		d.out = nil
	}
}

func (d *decompressor) unzip(p []byte) error {
	d.src.Reset(p)
	if d.gzip == nil {
		d.gzip = new(gzip.Reader)
	}
	if err := d.gzip.Reset(&d.src); err != nil {
		return fmt.Errorf("gzip: %w", err)
	}
	return named("gzip", d.readAll(d.gzip))
}

func (d *decompressor) unlz4(p []byte) error {
	d.src.Reset(p)
	if d.lz4 == nil {
		d.lz4 = lz4.NewReader(&d.src)
	} else {
		d.lz4.Reset(&d.src)
	}
	return named("lz4", d.readAll(d.lz4))
}

// readAll appends what r gives to out, up to the limit.
func (d *decompressor) readAll(r io.Reader) error {
	for {
		if len(d.out) == cap(d.out) {
			d.out = append(d.out, make([]byte, max(64<<10, cap(d.out)))...)[:len(d.out)]
		}
		n, err := r.Read(d.out[len(d.out):cap(d.out)])
		d.out = d.out[:len(d.out)+n]
		switch {
		case len(d.out)-d.from > maxUnpacked:
			return errBomb
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

func (d *decompressor) unzstd(p []byte) error {
	if d.zstd == nil {
		z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxUnpacked), zstd.WithDecoderMaxWindow(maxUnpacked))
		if err != nil {
			return fmt.Errorf("zstd: %w", err)
		}
		d.zstd = z
	}
	out, err := d.zstd.DecodeAll(p, d.out)
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return errBomb
	}
	if err != nil {
		return fmt.Errorf("zstd: %w", err)
	}
	d.out = out
	return nil
}

// xerial begins the framing that Java's snappy adds: this, version and compatible version (4 bytes each),
// then blocks, each behind its length (4 bytes, big-endian).
var xerial = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

const xerialHeader = 16

func (d *decompressor) unsnappy(p []byte) error {
	if !bytes.HasPrefix(p, xerial) || len(p) < xerialHeader {
		return d.unsnappyBlock(p)
	}
	for p = p[xerialHeader:]; len(p) > 0; {
		if len(p) < 4 {
			return errors.New("snappy: ends inside the length of a block")
		}
		n := binary.BigEndian.Uint32(p)
		if p = p[4:]; uint64(n) > uint64(len(p)) {
			return errors.New("snappy: ends inside a block")
		}
		if err := d.unsnappyBlock(p[:n]); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// unsnappyBlock appends the content of one block.
func (d *decompressor) unsnappyBlock(p []byte) error {
	n, err := snappy.DecodedLen(p)
	if err != nil {
		return fmt.Errorf("snappy: %w", err)
	}
	at := len(d.out)
	if n > maxUnpacked-(at-d.from) {
		return errBomb
	}
	if cap(d.out)-at < n {
		d.out = append(d.out, make([]byte, n)...)
	}
	d.out = d.out[:at+n]
	if _, err := snappy.Decode(d.out[at:at+n], p); err != nil {
		return fmt.Errorf("snappy: %w", err)
	}
	return nil
}

func named(codec string, err error) error {
	if err == nil || errors.Is(err, errBomb) {
		return err
	}
	return fmt.Errorf("%s: %w", codec, err)
}

// Trees of files as a stream of records: into a directory (OP_STREAM), and out of one (WALK_LIST). Written and read by
// src/stage/records.ts. Little endian; a record is this head and, right behind it, `size` less the head's bytes of text:
//
//   path \0 more \0 value      more: a link's target, or an attribute's name; value: `bytes` bytes, of an attribute only
//
// Paths are relative to the directory, without "." and ".."; that of the directory itself is empty.
#ifndef STAGE_STREAM_H
#define STAGE_STREAM_H

#include "sys.h"

#define STREAM_ROOM (256u << 10)
#define STREAM_PATH 4096u
// A head, two texts, and the largest attribute that Linux has (64 KiB).
#define STREAM_RECORD (sizeof(struct entry) + 2 * STREAM_PATH + (64u << 10))

enum entry_kind {
	ENTRY_DIRECTORY = 1, // one that is there stays, and gets this owner and mode
	ENTRY_FILE,	     // what follows is its data, as ENTRY_DATA and ENTRY_HOLE
	ENTRY_SYMLINK,	     // more: its target
	ENTRY_LINK,	     // more: the path of what it is another name of
	ENTRY_NODE,	     // device, FIFO; out of a directory also a socket
	ENTRY_ATTRIBUTE,     // more: name of an extended attribute
	ENTRY_TIMES,	     // of a directory
	ENTRY_DATA,	     // `bytes` bytes follow behind the record
	ENTRY_HOLE,	     // `bytes` zeros
	ENTRY_END,
	ENTRY_KINDS,
};

enum entry_flag {
	ENTRY_KEEP = 1,		  // what has this name stays; without this flag it is replaced
	ENTRY_ONLY_DIRECTORY = 2, // if it is no directory, nothing is done
	ENTRY_ALIKE = 4,	  // nothing else takes a directory's place, and a directory nothing else's: EISDIR, ENOTDIR
};

struct entry {
	u32 size;
	u8 kind, flags;
	u16 reserved;
	u32 mode, uid, gid;
	u32 nanoseconds; // of the time of modification
	i64 seconds;
	u64 bytes;
	u32 device; // as mknod(2) takes it; of a file out of a directory: of its file system
	u32 links;  // out of a directory: how many names it has
	u64 inode;
};

#endif

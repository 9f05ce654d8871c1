// What goes over the socket between a monitor and its clients: frames, in docker's form for attached streams,
// [kind, 0, 0, 0, length: 4 bytes, big endian] and then so many bytes.
#ifndef STAGE_FRAME_H
#define STAGE_FRAME_H

#include "stage.h"

#define FRAME_HEAD 8

enum frame_kind {
	FRAME_INPUT,  // to the monitor: bytes for standard input
	FRAME_OUTPUT, // to a client: standard output, or the terminal
	FRAME_ERROR,  // to a client: standard error
	FRAME_REFUSED, // to a client: text, why it is not served
	FRAME_END,    // to the monitor: standard input has ended
	FRAME_RESIZE, // to the monitor: rows and columns, 2 bytes each, big endian
	FRAME_SIGNAL, // to the monitor: a signal's number, 1 byte
	FRAME_ATTACH, // to the monitor: output is wanted from now on
	FRAME_STATUS, // to a client: the exit status, 1 byte. The end of the stream follows when all is taken away
	FRAME_SHUT,   // to the monitor, by the command that started it: nobody reads this stream any more (1 byte, 1 or 2)
	FRAME_LEAVE,  // to the monitor, from the command that started it: it is left alone
	FRAME_ONCE,   // to the monitor: the end of this client is the end of standard input, too
	FRAME_KINDS,
};

static inline void put_head(u8 *head, u8 kind, u32 length)
{
	head[0] = kind;
	head[1] = head[2] = head[3] = 0;
	for (int i = 0; i < 4; i++)
		head[4 + i] = (u8)(length >> (24 - 8 * i));
}

static inline u32 length_in(const u8 *head)
{
	return (u32)head[4] << 24 | (u32)head[5] << 16 | (u32)head[6] << 8 | head[7];
}

#endif

// Maps an ELF program as execve(2) would: elf(5), and load_elf_binary() in the kernel's fs/binfmt_elf.c.
#include <linux/mman.h>

#include "front.h"

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#else
#define MACHINE EM_AARCH64
#endif

enum { SEEK_TO_END = 2 };

u64 map(u64 at, u64 bytes, int prot, int flags, i64 fd, u64 offset, const char *name)
{
	i64 got = sys(__NR_mmap, at, bytes, prot, MAP_PRIVATE | flags, fd, offset);

	if (is_error(got))
		die(name, got == -E_EXIST ? "the addresses it needs are taken" : "cannot be mapped: is memory short?");
	return (u64)got;
}

static void read_at(i64 fd, void *to, u64 bytes, u64 at, const char *name)
{
	if (sys(__NR_pread64, fd, to, bytes, at) != (i64)bytes)
		die(name, "is cut off");
}

static int same(const u8 *a, const char *b, u64 n)
{
	while (n && *a == (u8)*b)
		a++, b++, n--;
	return !n;
}

static void read_headers(struct program *p, i64 fd, u64 at, const char *name)
{
	Elf64_Ehdr *e = &p->head;

	if (sys(__NR_pread64, fd, e, sizeof(*e), at) != sizeof(*e) || !same(e->e_ident, ELFMAG, SELFMAG))
		die(name, at ? "the engine is missing: was the file stripped or cut off?" : "is no program");
	if (e->e_machine != MACHINE || e->e_phentsize != sizeof(Elf64_Phdr) || e->e_phnum > HEADERS_MAX)
		die(name, "is no program for this machine");
	read_at(fd, p->header, e->e_phnum * sizeof(Elf64_Phdr), at + e->e_phoff, name);
}

// Takes all addresses that it asks for in one piece, which its segments then replace: nothing can get in between.
// Gives how far they are from those in its headers.
static u64 reserve(struct program *p, u64 page, const char *name)
{
	const int flags = MAP_ANONYMOUS | MAP_NORESERVE;
	u64 low = ~0ul, high = 0, align = page;

	for (Elf64_Phdr *h = p->header; h < p->header + p->head.e_phnum; h++) {
		if (h->p_type != PT_LOAD)
			continue;
		low = h->p_vaddr < low ? h->p_vaddr : low;
		high = h->p_vaddr + h->p_memsz > high ? h->p_vaddr + h->p_memsz : high;
		align = h->p_align > align ? h->p_align : align;
	}
	if (low >= high)
		die(name, "has nothing to load");
	low &= -page;
	if (p->head.e_type == ET_EXEC) {
		map(low, high - low, PROT_NONE, flags | MAP_FIXED_NOREPLACE, -1, 0, name);
		return 0;
	}
	low &= -align;
	return ((map(0, high - low + align, PROT_NONE, flags, -1, 0, name) + align - 1) & -align) - low;
}

// The file's pages, zeros behind its bytes in the last of them, then pages of zeros.
static void map_segment(const Elf64_Phdr *h, u64 bias, i64 fd, u64 at, u64 page, const char *name)
{
	const u32 f = h->p_flags;
	const int prot = (f & PF_R ? PROT_READ : 0) | (f & PF_W ? PROT_WRITE : 0) | (f & PF_X ? PROT_EXEC : 0);
	u64 start = bias + h->p_vaddr, skew = start & (page - 1);
	u64 bytes_end = start + h->p_filesz, end = start + h->p_memsz;
	u64 mapped_end = start - skew;

	if (h->p_filesz) {
		mapped_end = (bytes_end + page - 1) & -page;
		map(start - skew, mapped_end - (start - skew), prot, MAP_FIXED, fd, at + h->p_offset - skew, name);
		if (end > bytes_end && f & PF_W)
			for (u8 *b = (u8 *)bytes_end; b < (u8 *)mapped_end; b++)
				*b = 0;
	}
	if (end > mapped_end)
		map(mapped_end, end - mapped_end, prot, MAP_FIXED | MAP_ANONYMOUS, -1, 0, name);
}

void load(struct program *p, i64 fd, u64 at, u64 page, const char *name)
{
	read_headers(p, fd, at, name);

	const u64 size = (u64)sys(__NR_lseek, fd, 0, SEEK_TO_END), bias = reserve(p, page, name), table = p->head.e_phoff;

	p->base = bias;
	p->entry = bias + p->head.e_entry;
	p->headers_at = 0;
	p->loader[0] = 0;
	for (Elf64_Phdr *h = p->header; h < p->header + p->head.e_phnum; h++) {
		if (h->p_type == PT_INTERP && h->p_filesz < LOADER_PATH_MAX) {
			read_at(fd, p->loader, h->p_filesz, at + h->p_offset, name);
			p->loader[h->p_filesz] = 0;
		}
		if (h->p_type != PT_LOAD)
			continue;
		if (at + h->p_offset + h->p_filesz > size)
			die(name, "is cut off");
		map_segment(h, bias, fd, at, page, name);
		if (table >= h->p_offset && table < h->p_offset + h->p_filesz)
			p->headers_at = bias + h->p_vaddr + table - h->p_offset;
	}
}

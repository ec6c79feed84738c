// A disk whose flushes take as many microseconds as the file SLOW_DISK says, for a program that loads this first.
//
// The file holds one 64-bit integer and is mapped: who writes it changes all processes that use it, at once.

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static const volatile int64_t none = 0;
static const volatile int64_t *delay = &none;

__attribute__((constructor)) static void map_delay(void) {
    const char *path = getenv("SLOW_DISK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *found = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
    if (found == MAP_FAILED) abort();
    delay = found;
    close(file);
}

static int flush(long call, int file) {
    if (*delay > 0) usleep((useconds_t)*delay);
    return (int)syscall(call, file);
}

int fsync(int file) { return flush(SYS_fsync, file); }

int fdatasync(int file) { return flush(SYS_fdatasync, file); }

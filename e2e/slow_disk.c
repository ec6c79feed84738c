// A disk whose flushes take its number of microseconds more, for a program that loads this first.

#include "preloaded.h"

static int flush(long call, int file) {
    if (*number > 0) usleep((useconds_t)*number);
    return (int)syscall(call, file);
}

int fsync(int file) { return flush(SYS_fsync, file); }

int fdatasync(int file) { return flush(SYS_fdatasync, file); }

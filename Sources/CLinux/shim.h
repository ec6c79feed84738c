// What the kernel tells about a machine, and Swift's Glibc module does not have.
#include <sys/statfs.h>
#include <sys/timex.h>

// The magic number of the file system that a path is on; -1 when it cannot be told.
static inline long milepost_file_system(const char *path) {
    struct statfs status;
    return statfs(path, &status) == 0 ? (long)status.f_type & 0xFFFFFFFFL : -1;
}

// 1 when the kernel's clock is synchronised, 0 when it is not, -1 when it cannot be told.
static inline int milepost_clock_is_synchronised(void) {
    struct timex state = {0};
    int result = adjtimex(&state);
    return result < 0 ? -1 : result != TIME_ERROR && (state.status & STA_UNSYNC) == 0;
}

#include "CFaultyDisk.h"

#include <sqlite3.h>
#include <string.h>

// A file is opened by the original VFS in the memory that SQLite gives, and stays what it is. Behind it lies this: SQLite
// calls a file through a table of functions that the file points to, and that pointer is made to point here.
struct wrapped {
    sqlite3_io_methods methods;
    const sqlite3_io_methods *original;
    char path[1024];
};

static sqlite3_vfs *original_vfs;
static sqlite3_vfs vfs;
static faulty_watches watches;
static faulty_decide decide;

static struct wrapped *wrapped(sqlite3_file *file) {
    return (struct wrapped *)((char *)file + ((original_vfs->szOsFile + 15) & ~15));
}

static int ask(enum faulty_call call, const char *path, long long offset, const void *bytes, long long count) {
    struct faulty_request request = {call, path, offset, bytes, count};
    return decide(&request);
}

static int faulty_file_read(sqlite3_file *file, void *bytes, int count, sqlite3_int64 offset) {
    int code = ask(faulty_read, wrapped(file)->path, offset, 0, count);
    return code ? code : wrapped(file)->original->xRead(file, bytes, count, offset);
}

static int faulty_file_write(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 offset) {
    int code = ask(faulty_write, wrapped(file)->path, offset, bytes, count);
    return code ? code : wrapped(file)->original->xWrite(file, bytes, count, offset);
}

static int faulty_file_truncate(sqlite3_file *file, sqlite3_int64 size) {
    int code = ask(faulty_truncate, wrapped(file)->path, size, 0, 0);
    return code ? code : wrapped(file)->original->xTruncate(file, size);
}

static int faulty_file_sync(sqlite3_file *file, int flags) {
    (void)flags;
    return ask(faulty_sync, wrapped(file)->path, 0, 0, 0);
}

static int faulty_file_lock(sqlite3_file *file, int level) {
    int code = ask(faulty_lock, wrapped(file)->path, 0, 0, 0);
    return code ? code : wrapped(file)->original->xLock(file, level);
}

static int faulty_file_map(sqlite3_file *file, int page, int size, int extend, void volatile **memory) {
    int code = ask(faulty_map, wrapped(file)->path, 0, 0, 0);
    return code ? code : wrapped(file)->original->xShmMap(file, page, size, extend, memory);
}

static int faulty_vfs_open(sqlite3_vfs *self, const char *path, sqlite3_file *file, int flags, int *flags_taken) {
    (void)self;
    int is_watched = path && strlen(path) < sizeof(((struct wrapped *)0)->path) && watches(path);
    if (is_watched) {
        int code = ask(faulty_open, path, 0, 0, (flags & SQLITE_OPEN_CREATE) != 0);
        if (code) {
            file->pMethods = 0;
            return code;
        }
    }
    int code = original_vfs->xOpen(original_vfs, path, file, flags, flags_taken);
    if (code != SQLITE_OK || !is_watched) return code;
    struct wrapped *behind = wrapped(file);
    behind->original = file->pMethods;
    behind->methods = *file->pMethods;
    behind->methods.xRead = faulty_file_read;
    behind->methods.xWrite = faulty_file_write;
    behind->methods.xTruncate = faulty_file_truncate;
    behind->methods.xSync = faulty_file_sync;
    behind->methods.xLock = faulty_file_lock;
    if (behind->methods.xShmMap) behind->methods.xShmMap = faulty_file_map;
    strcpy(behind->path, path);
    file->pMethods = &behind->methods;
    return SQLITE_OK;
}

static int faulty_vfs_delete(sqlite3_vfs *self, const char *path, int sync_directory) {
    (void)self;
    int code = watches(path) ? ask(faulty_delete, path, 0, 0, 0) : SQLITE_OK;
    return code ? code : original_vfs->xDelete(original_vfs, path, sync_directory);
}

int faulty_disk_install(faulty_watches does_watch, faulty_decide does_decide) {
    watches = does_watch;
    decide = does_decide;
    original_vfs = sqlite3_vfs_find(0);
    vfs = *original_vfs;
    vfs.pNext = 0;
    vfs.zName = "faulty";
    vfs.szOsFile = ((original_vfs->szOsFile + 15) & ~15) + (int)sizeof(struct wrapped);
    vfs.xOpen = faulty_vfs_open;
    vfs.xDelete = faulty_vfs_delete;
    return sqlite3_vfs_register(&vfs, 1);
}

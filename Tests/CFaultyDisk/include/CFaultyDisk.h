#ifndef MILEPOST_FAULTY_DISK_H
#define MILEPOST_FAULTY_DISK_H

/// What SQLite asks of its disk.
enum faulty_call {
    faulty_open,
    faulty_read,
    faulty_write,
    faulty_truncate,
    faulty_sync,
    faulty_delete,
    faulty_map,
    faulty_lock,
};

/// A call on a file, before it is made.
struct faulty_request {
    enum faulty_call call;
    /// The file's whole path.
    const char *path;
    /// Where it reads or writes, or the size it is cut to.
    long long offset;
    /// What it writes.
    const void *bytes;
    /// How many bytes; for `faulty_open`, whether the file may be made.
    long long count;
};

/// Whether the files at this path are those of a test; every other file is left to SQLite's own VFS.
typedef int (*faulty_watches)(const char *path);

/// Asked before each call on a file that is watched: 0 makes the call, a result code of SQLite's fails it.
typedef int (*faulty_decide)(const struct faulty_request *request);

/// Makes a wrapper around SQLite's default VFS the default one, for good. Called once.
///
/// A sync that is let through is not made: what would be durable is for the test to say, and a real flush says nothing.
int faulty_disk_install(faulty_watches watches, faulty_decide decide);

#endif

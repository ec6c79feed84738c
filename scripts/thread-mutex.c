// Tells ThreadSanitizer of locks that Swift's library takes and gives back where it cannot see them.
//
// `Mutex` takes a free lock in code that is compiled into the program, and waits for a taken one in libswiftSynchronization,
// which is not instrumented: whatever two threads then do one after the other looks like a race. This stands between the two;
// scripts/sanitize has it loaded first. https://github.com/swiftlang/swift/tree/main/stdlib/public/Synchronization/Mutex
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>

#define MUTEX "$s15Synchronization12_MutexHandleV"
#define SELF __attribute__((swift_context)) void *self

void __tsan_acquire(void *address) __attribute__((weak));
void __tsan_release(void *address) __attribute__((weak));

__attribute__((swiftcall)) void lock(uint32_t thread, SELF) __asm__(MUTEX "9_lockSlowyys6UInt32VF");
__attribute__((swiftcall)) bool try_lock(SELF) __asm__(MUTEX "12_tryLockSlowSbyF");
__attribute__((swiftcall)) void unlock(SELF) __asm__(MUTEX "11_unlockSlowyyF");

__attribute__((swiftcall)) void lock(uint32_t thread, SELF) {
    __attribute__((swiftcall)) void (*next)(uint32_t, SELF) = dlsym(RTLD_NEXT, MUTEX "9_lockSlowyys6UInt32VF");
    next(thread, self);
    if (__tsan_acquire) __tsan_acquire(self);
}

__attribute__((swiftcall)) bool try_lock(SELF) {
    __attribute__((swiftcall)) bool (*next)(SELF) = dlsym(RTLD_NEXT, MUTEX "12_tryLockSlowSbyF");
    bool is_locked = next(self);
    if (is_locked && __tsan_acquire) __tsan_acquire(self);
    return is_locked;
}

__attribute__((swiftcall)) void unlock(SELF) {
    __attribute__((swiftcall)) void (*next)(SELF) = dlsym(RTLD_NEXT, MUTEX "11_unlockSlowyyF");
    if (__tsan_release) __tsan_release(self);
    next(self);
}

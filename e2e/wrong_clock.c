// A wall clock that is wrong by its number of seconds, for a program that loads this first.
//
// Clocks that nobody can set (CLOCK_MONOTONIC, CLOCK_BOOTTIME, of processes) stay right, and so do waits until a time of
// the wall clock, which the kernel counts by its own.

#include "preloaded.h"
#include <pthread.h>
#include <semaphore.h>
#include <sys/time.h>
#include <time.h>

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = (int)syscall(SYS_clock_gettime, clock, time);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) time->tv_sec += *number;
    return result;
}

int gettimeofday(struct timeval *time, void *zone) {
    int result = (int)syscall(SYS_gettimeofday, time, zone);
    if (result == 0) time->tv_sec += *number;
    return result;
}

time_t time(time_t *result) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (result) *result = now.tv_sec;
    return now.tv_sec;
}

static struct timespec kernels(const struct timespec *time) {
    return (struct timespec){.tv_sec = time->tv_sec - *number, .tv_nsec = time->tv_nsec};
}

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until) {
    // So small a number is none of the wall clock.
    if (until->tv_sec < 1000000000) return pthread_cond_clockwait(condition, mutex, CLOCK_MONOTONIC, until);
    struct timespec time = kernels(until);
    return pthread_cond_clockwait(condition, mutex, CLOCK_REALTIME, &time);
}

int sem_timedwait(sem_t *semaphore, const struct timespec *until) {
    struct timespec time = kernels(until);
    return sem_clockwait(semaphore, CLOCK_REALTIME, &time);
}

/* A store that fails: preloaded into a host, it lets one in FAULTS_ONE_IN of the puts below the folder FAULTS_IN fail, half of them
 * after they landed, and one in ten answer late. Puts below FAULTS_FROZEN wait until the file FAULTS_THAW is there. A put into a local
 * store ends in a rename or a hard link. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static atomic_uint state;

static unsigned next_random(void) {
    unsigned seed = atomic_fetch_add(&state, 0x9e3779b9u) + (unsigned)getpid() * 2654435761u;
    seed ^= seed >> 16;
    seed *= 0x85ebca6bu;
    seed ^= seed >> 13;
    seed *= 0xc2b2ae35u;
    return seed ^ (seed >> 16);
}

enum { FINE, BEFORE, AFTER };

static void wait_for_thaw(const char *path) {
    const char *folder = getenv("FAULTS_FROZEN"), *thaw = getenv("FAULTS_THAW");
    struct timespec pause = {0, 20000000L};
    if (folder && thaw && strncmp(path, folder, strlen(folder)) == 0)
        while (access(thaw, F_OK) != 0)
            nanosleep(&pause, NULL);
}

static int fate(const char *path) {
    wait_for_thaw(path);
    const char *folder = getenv("FAULTS_IN"), *one_in = getenv("FAULTS_ONE_IN");
    if (!folder || !one_in || strncmp(path, folder, strlen(folder)) != 0)
        return FINE;
    if (next_random() % 10 == 0) {
        struct timespec pause = {0, (long)(next_random() % 200) * 1000000L};
        nanosleep(&pause, NULL);
    }
    if (next_random() % (unsigned)atoi(one_in) != 0)
        return FINE;
    return next_random() % 2 ? BEFORE : AFTER;
}

static int ended(int result, int fate) {
    if (fate != AFTER)
        return result;
    errno = EIO;
    return -1;
}

int rename(const char *from, const char *to) {
    int (*real)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");
    int is = fate(to);
    if (is == BEFORE)
        return ended(0, AFTER);
    return ended(real(from, to), is);
}

int link(const char *from, const char *to) {
    int (*real)(const char *, const char *) = dlsym(RTLD_NEXT, "link");
    int is = fate(to);
    if (is == BEFORE)
        return ended(0, AFTER);
    return ended(real(from, to), is);
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags) {
    int (*real)(int, const char *, int, const char *, int) = dlsym(RTLD_NEXT, "linkat");
    int is = fate(to);
    if (is == BEFORE)
        return ended(0, AFTER);
    return ended(real(from_dir, from, to_dir, to, flags), is);
}

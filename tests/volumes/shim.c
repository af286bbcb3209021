/* A volume that lacks something: below SHIM_FOLDER each call that SHIM_CALLS names fails with its errno.

   SHIM_CALLS is like "flock=37,fsync-folder=22". Folders may be several, divided by colons. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define REAL(name, type)                                                                                \
    static __typeof__(type) real;                                                                       \
    if (!real) real = (__typeof__(type))dlsym(RTLD_NEXT, name)

static int below(const char *path) {
    const char *folders = getenv("SHIM_FOLDER");
    while (folders && *folders) {
        size_t length = strcspn(folders, ":");
        if (length && !strncmp(path, folders, length) && (path[length] == '/' || !path[length])) return 1;
        folders += length + (folders[length] == ':');
    }
    return 0;
}

static int number_of(const char *call) {
    const char *calls = getenv("SHIM_CALLS");
    size_t length = strlen(call);
    while (calls && *calls) {
        if (!strncmp(calls, call, length) && calls[length] == '=') return atoi(calls + length + 1);
        calls = strchr(calls, ',');
        if (calls) calls++;
    }
    return 0;
}

static int fails_at(const char *call, const char *path) {
    char whole[PATH_MAX];
    int number = number_of(call);
    if (!number || !path) return 0;
    if (path[0] != '/') {
        char here[PATH_MAX / 2];
        if (!getcwd(here, sizeof here)) return 0;
        snprintf(whole, sizeof whole, "%s/%.2000s", here, path);
        path = whole;
    }
    return below(path) ? (errno = number) : 0;
}

static int fails(const char *call, int descriptor) {
    char link[64], path[PATH_MAX];
    ssize_t length;
    if (!number_of(call)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return fails_at(call, path);
}

static int is_folder(int descriptor) {
    struct stat status;
    return !fstat(descriptor, &status) && S_ISDIR(status.st_mode);
}

int flock(int descriptor, int operation) {
    REAL("flock", int (*)(int, int));
    return fails("flock", descriptor) ? -1 : real(descriptor, operation);
}

int fsync(int descriptor) {
    REAL("fsync", int (*)(int));
    return fails(is_folder(descriptor) ? "fsync-folder" : "fsync", descriptor) ? -1 : real(descriptor);
}

int fchmod(int descriptor, mode_t mode) {
    REAL("fchmod", int (*)(int, mode_t));
    return fails("chmod", descriptor) ? -1 : real(descriptor, mode);
}

int chmod(const char *path, mode_t mode) {
    REAL("chmod", int (*)(const char *, mode_t));
    return fails_at("chmod", path) ? -1 : real(path, mode);
}

int fchmodat(int folder, const char *path, mode_t mode, int flags) {
    REAL("fchmodat", int (*)(int, const char *, mode_t, int));
    return fails_at("chmod", path) ? -1 : real(folder, path, mode, flags);
}

ssize_t read(int descriptor, void *buffer, size_t count) {
    REAL("read", ssize_t (*)(int, void *, size_t));
    return number_of("read") && fails("read", descriptor) ? -1 : real(descriptor, buffer, count);
}

ssize_t pread(int descriptor, void *buffer, size_t count, off_t at) {
    REAL("pread", ssize_t (*)(int, void *, size_t, off_t));
    return number_of("read") && fails("read", descriptor) ? -1 : real(descriptor, buffer, count, at);
}

ssize_t pread64(int descriptor, void *buffer, size_t count, off64_t at) {
    REAL("pread64", ssize_t (*)(int, void *, size_t, off64_t));
    return number_of("read") && fails("read", descriptor) ? -1 : real(descriptor, buffer, count, at);
}

static int opening_fails(const char *path, int flags) {
    if (fails_at("open", path)) return 1;
    if ((flags & O_DIRECTORY) == 0 && number_of("open-folder")) {
        struct stat status;
        if (!stat(path, &status) && S_ISDIR(status.st_mode)) return fails_at("open-folder", path);
    }
    return 0;
}

#define OPENING(name)                                                                                   \
    int name(const char *path, int flags, ...) {                                                        \
        mode_t mode = 0;                                                                                \
        REAL(#name, int (*)(const char *, int, ...));                                                   \
        if (flags & (O_CREAT | O_TMPFILE)) {                                                            \
            va_list rest;                                                                               \
            va_start(rest, flags);                                                                      \
            mode = va_arg(rest, mode_t);                                                                \
            va_end(rest);                                                                               \
        }                                                                                               \
        return opening_fails(path, flags) ? -1 : real(path, flags, mode);                               \
    }

OPENING(open)
OPENING(open64)

static int locking_fails(int descriptor, int command) {
    int locks = command == F_SETLK || command == F_SETLKW || command == F_GETLK;
    return locks && fails("flock", descriptor);
}

#define CONTROLLING(name)                                                                               \
    int name(int descriptor, int command, ...) {                                                        \
        void *argument;                                                                                 \
        va_list rest;                                                                                   \
        REAL(#name, int (*)(int, int, ...));                                                            \
        va_start(rest, command);                                                                        \
        argument = va_arg(rest, void *);                                                                \
        va_end(rest);                                                                                   \
        return locking_fails(descriptor, command) ? -1 : real(descriptor, command, argument);           \
    }

CONTROLLING(fcntl)
CONTROLLING(fcntl64)

/*
 * Preloaded into a node, it makes the disk go wrong under the files of stores as long as the file that DISK_FAULTS
 * names says so: "full" for writes without room, "late" for files that only a sync finds no room for, "sync" for syncs
 * that fail.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int is_wanted(const char *fault) {
  const char *path = getenv("DISK_FAULTS");
  char text[16] = "";
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return 0;
  ssize_t count = read(file, text, sizeof text - 1);
  close(file);
  return count > 0 && strncmp(text, fault, strlen(fault)) == 0;
}

static int is_store(int file) {
  char link[64], path[1024] = "";
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  return readlink(link, path, sizeof path - 1) > 0 && strstr(path, "/store.db") != NULL;
}

static int fails(int file, const char *fault, int code) {
  if (!is_store(file) || !is_wanted(fault)) return 0;
  errno = code;
  return 1;
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset) {
  static ssize_t (*next)(int, const void *, size_t, off_t);
  if (!next) next = (ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite");
  return fails(file, "full", ENOSPC) ? -1 : next(file, bytes, count, offset);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t offset) {
  return pwrite(file, bytes, count, offset);
}

int fdatasync(int file) {
  static int (*next)(int);
  if (!next) next = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  return fails(file, "sync", EIO) ? -1 : next(file);
}

int fsync(int file) {
  static int (*next)(int);
  if (!next) next = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  return fails(file, "late", ENOSPC) || fails(file, "sync", EIO) ? -1 : next(file);
}

#define _GNU_SOURCE
#include "csystem.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

_Static_assert(EPOLLIN == 0x001 && EPOLLOUT == 0x004 && EPOLLERR == 0x008 && EPOLLHUP == 0x010 &&
                   EPOLLRDHUP == 0x2000 && EPOLLET == 1u << 31,
               "the header repeats epoll's constants");

/* More at once would delay timers, fewer would cost calls. */
#define READY_LIMIT 256

int csystem_poller(void) { return epoll_create1(EPOLL_CLOEXEC); }

int csystem_watch(int poller, int descriptor, uint64_t tag, uint32_t events, int known) {
  struct epoll_event event = {.events = events, .data.u64 = tag};
  int operation = events == 0 ? EPOLL_CTL_DEL : known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  return epoll_ctl(poller, operation, descriptor, &event);
}

int csystem_wait(int poller, csystem_ready *ready, int room, int milliseconds) {
  struct epoll_event events[READY_LIMIT];
  int count = epoll_wait(poller, events, room < READY_LIMIT ? room : READY_LIMIT, milliseconds);
  for (int i = 0; i < count; i++) ready[i] = (csystem_ready){events[i].data.u64, events[i].events};
  return count;
}

int csystem_eventfd(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

int csystem_accept(int listener) { return accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC); }

int csystem_signalfd(const int *signals, int count) {
  sigset_t set;
  sigemptyset(&set);
  for (int i = 0; i < count; i++) sigaddset(&set, signals[i]);
  if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0) return -1;
  return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int csystem_next_signal(int descriptor) {
  struct signalfd_siginfo info;
  return read(descriptor, &info, sizeof info) == sizeof info ? (int)info.ssi_signo : 0;
}

int csystem_start_thread(unsigned long *thread, size_t stack, void *(*body)(void *), void *context) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, stack);
  int status = pthread_create(thread, &attributes, body, context);
  pthread_attr_destroy(&attributes);
  return status;
}

void csystem_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }

int csystem_random(void *room, size_t length) {
  uint8_t *next = room;
  while (length > 0) {
    ssize_t got = getrandom(next, length, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    next += got;
    length -= (size_t)got;
  }
  return 0;
}

void csystem_begin_writing(int descriptor, int64_t offset, int64_t length) {
  sync_file_range(descriptor, offset, length, SYNC_FILE_RANGE_WRITE);
}

int csystem_memory_file(void) { return memfd_create("nodehost", MFD_CLOEXEC); }

/* The environment without Swift's own crash report: whoever starts a child reports its crash, and
 * the helper that prints Swift's would make it late and could outlive it. Null without memory. */
static char **child_environment(void) {
  extern char **environ;
  static char no_report[] = "SWIFT_BACKTRACE=enable=no";
  size_t count = 0;
  while (environ[count] != NULL) count++;
  char **copy = malloc((count + 2) * sizeof *copy);
  if (copy == NULL) return NULL;
  size_t kept = 0;
  for (size_t i = 0; i < count; i++)
    if (strncmp(environ[i], "SWIFT_BACKTRACE=", 16) != 0) copy[kept++] = environ[i];
  copy[kept++] = no_report;
  copy[kept] = NULL;
  return copy;
}

int csystem_start_child(const char *path, char *const arguments[], int channel) {
  char **environment = child_environment();
  if (environment == NULL) return -1;
  pid_t parent = getpid();
  /* vfork: the host may be large, and copying its page tables would cost more than the child. */
  pid_t child = vfork();
  if (child != 0) {
    int reason = errno;
    free(environment);
    errno = reason;
    return child;
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  dup2(2, 1);
  if (channel == 3) {
    /* dup2 onto itself would leave it to be closed by exec. */
    int other = dup(3);
    dup2(other, 3);
    close(other);
  } else {
    dup2(channel, 3);
  }
  execve(path, arguments, environment);
  _exit(127);
}

int csystem_start_program(char *const arguments[], const char *folder, int output, int signal) {
  char **environment = child_environment();
  if (environment == NULL) return -1;
  int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  pid_t parent = getpid();
  /* Written by the child, which shares this memory until it has become the program. */
  volatile int reason = 0;
  pid_t child = vfork();
  if (child == 0) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, signal);
    if (getppid() != parent) _exit(127);
    if (nothing >= 0) dup2(nothing, 0);
    if (output >= 0) {
      dup2(output, 1);
      dup2(output, 2);
    }
    if (chdir(folder) == 0) execvpe(arguments[0], arguments, environment);
    reason = errno;
    _exit(127);
  }
  if (child < 0) reason = errno;
  if (nothing >= 0) close(nothing);
  free(environment);
  if (reason == 0) return child;
  if (child > 0) waitpid(child, NULL, 0);
  errno = reason;
  return -1;
}

void csystem_signal_state(uint64_t *words) {
  sigset_t blocked;
  memset(words, 0, CSYSTEM_SIGNAL_WORDS * sizeof *words);
  for (int number = 1; number < CSYSTEM_SIGNAL_WORDS - 1; number++) {
    struct sigaction action;
    /* Two numbers belong to the C library, which refuses to speak of them. */
    if (sigaction(number, NULL, &action) == 0) words[number] = (uint64_t)(uintptr_t)action.sa_handler;
  }
  pthread_sigmask(SIG_SETMASK, NULL, &blocked);
  for (int number = 1; number < 64; number++)
    if (sigismember(&blocked, number) == 1) words[CSYSTEM_SIGNAL_WORDS - 1] |= UINT64_C(1) << number;
}

char *const *csystem_environment(void) {
  extern char **environ;
  return environ;
}

uint64_t csystem_float_control(void) {
#if defined(__x86_64__)
  uint32_t control;
  __asm__ volatile("stmxcsr %0" : "=m"(control));
  return control & 0xFFC0; /* without the marks of what has happened */
#elif defined(__aarch64__)
  uint64_t control;
  __asm__ volatile("mrs %0, fpcr" : "=r"(control));
  return control;
#endif
}

uint64_t csystem_heap_in_use(void) {
  struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

void csystem_no_core_dump(void) {
  const struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
}

uint64_t csystem_raise_open_files(void) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return 0;
  const struct rlimit more = {files.rlim_max, files.rlim_max};
  return setrlimit(RLIMIT_NOFILE, &more) == 0 ? more.rlim_cur : files.rlim_cur;
}

/* Text that the loader had to patch is no longer what the file has. */
static int is_patched(const ElfW(Dyn) *entry) {
  for (; entry->d_tag != DT_NULL; entry++)
    if (entry->d_tag == DT_TEXTREL || (entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL) != 0)) return 1;
  return 0;
}

static uintptr_t page_start(uintptr_t address) { return address & ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1); }

static uintptr_t page_end(uintptr_t address) { return page_start(address + (uintptr_t)sysconf(_SC_PAGESIZE) - 1); }

int csystem_unnamed_file(const char *folder) {
  int file = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (file >= 0) return file;
  /* Some file systems have none without a name. */
  char path[PATH_MAX];
  if (snprintf(path, sizeof path, "%s/.unnamed.XXXXXX", folder) >= (int)sizeof path) return -1;
  file = mkostemp(path, O_CLOEXEC);
  if (file >= 0) unlink(path);
  return file;
}

/* Read-only pages whose content is to lie in the file behind its `end`. The new end; the old one if it cannot be. */
static uint64_t move_to_file(uintptr_t start, uintptr_t end, int file, uint64_t file_end) {
  size_t length = end - start;
  /* Not pwrite: a sanitizer's forbids to read what lies between variables. */
  if (syscall(SYS_pwrite64, file, start, length, (off_t)file_end) != (long)length) return file_end;
  /* In one step: who reads there meanwhile finds the same in the old pages or in the new ones. */
  void *moved = mmap((void *)start, length, PROT_READ, MAP_PRIVATE | MAP_FIXED, file, (off_t)file_end);
  return moved == MAP_FAILED ? file_end : file_end + length;
}

uint64_t csystem_retire_pages(void *library, int file, uint64_t file_end) {
#if __GLIBC_PREREQ(2, 36)
  struct link_map *map = NULL;
  const ElfW(Phdr) *headers = NULL;
  int count = dlinfo(library, RTLD_DI_PHDR, &headers);
  if (count <= 0 || dlinfo(library, RTLD_DI_LINKMAP, &map) != 0) return file_end;
  int patched = is_patched(map->l_ld);
  for (int index = 0; index < count; index++) {
    const ElfW(Phdr) *header = &headers[index];
    uintptr_t start = map->l_addr + header->p_vaddr, end = start + header->p_memsz;
    if (header->p_type == PT_LOAD && (header->p_flags & PF_W) == 0 && !patched)
      madvise((void *)page_start(start), page_end(end) - page_start(start), MADV_DONTNEED);
    /* Just the pages that the loader made read-only once it had put the addresses in: nobody can write there. */
    if (header->p_type == PT_GNU_RELRO && file >= 0 && page_start(end) > page_start(start))
      file_end = move_to_file(page_start(start), page_start(end), file, file_end);
  }
#else
  (void)library, (void)file;
#endif
  return file_end;
}

_Thread_local csystem_world *csystem_present_world;

int csystem_fix_addresses(void) {
  int before = personality(0xffffffff);
  if (before < 0 || before & ADDR_NO_RANDOMIZE) return 0;
  return personality((unsigned long)before | ADDR_NO_RANDOMIZE) < 0 ? 0 : 1;
}

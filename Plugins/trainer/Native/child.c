#define _GNU_SOURCE
#include "trainer_native.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the program finds, from 0 on. */
#define DESCRIPTORS 6

/* After its messages have ended a program gets so long to end by itself. */
#define PATIENCE_MICROSECONDS 2000000
#define LOOK_MICROSECONDS 5000

static void close_all(int *descriptors, int count) {
  for (int i = 0; i < count; i++)
    if (descriptors[i] >= 0) close(descriptors[i]);
}

static int write_all(int file, const char *start, uint64_t count) {
  while (count > 0) {
    ssize_t written = write(file, start, count);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return -1;
    start += written;
    count -= (uint64_t)written;
  }
  return lseek(file, 0, SEEK_SET) == 0 ? 0 : -1;
}

/* A file in memory with these bytes, which nobody can change. */
static int sealed(const char *name, const void *start, uint64_t count) {
  int file = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (file < 0) return -1;
  int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  if (write_all(file, start, count) == 0 && fcntl(file, F_ADD_SEALS, seals) == 0) return file;
  close(file);
  return -1;
}

/* Room that cannot grow, so that a program cannot take more memory by it. */
static int room_of(uint64_t size) {
  int file = memfd_create("result", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (file < 0) return -1;
  if (ftruncate(file, (off_t)size) == 0 && fcntl(file, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0)
    return file;
  close(file);
  return -1;
}

/* In the child, between fork and exec: nothing but calls that are safe there. */
static void become(const char *const *words, const int *descriptors, int failed, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  setpgid(0, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  struct sigaction standard = {.sa_handler = SIG_DFL};
  for (int number = 1; number < NSIG; number++) sigaction(number, &standard, NULL);
  /* First out of the way of the numbers that they get, then there; the copies lose their mark of closing at exec. */
  int away[DESCRIPTORS];
  for (int i = 0; i < DESCRIPTORS; i++) away[i] = fcntl(descriptors[i], F_DUPFD_CLOEXEC, DESCRIPTORS + 1);
  int report = fcntl(failed, F_DUPFD_CLOEXEC, DESCRIPTORS + 1);
  for (int i = 0; i < DESCRIPTORS; i++)
    if (away[i] < 0 || dup2(away[i], i) < 0) goto lost;
  execvp(words[0], (char *const *)words);
lost:;
  int error = errno;
  if (write(report, &error, sizeof error) < 0) _exit(126);
  _exit(127);
}

int32_t trainer_start(const char *const *words, const void *task, uint64_t task_size, const void *model,
                      uint64_t model_size, uint64_t room, trainer_child *child) {
  enum { TASK, MODEL, RESULT, MESSAGES, MESSAGES_IN, OUTPUT, OUTPUT_IN, FAILED, FAILED_IN, ALL };
  int files[ALL];
  for (int i = 0; i < ALL; i++) files[i] = -1;
  files[TASK] = sealed("task", task, task_size);
  files[MODEL] = sealed("model", model, model_size);
  files[RESULT] = room_of(room);
  int made = files[TASK] >= 0 && files[MODEL] >= 0 && files[RESULT] >= 0 && pipe2(files + MESSAGES, O_CLOEXEC) == 0 &&
             pipe2(files + OUTPUT, O_CLOEXEC) == 0 && pipe2(files + FAILED, O_CLOEXEC) == 0;
  pid_t process = -1, parent = getpid();
  if (made) process = fork();
  if (process < 0) {
    int error = errno;
    close_all(files, ALL);
    return error;
  }
  if (process == 0) {
    int given[DESCRIPTORS] = {files[TASK],  files[OUTPUT_IN], files[OUTPUT_IN],
                              files[MODEL], files[RESULT],    files[MESSAGES_IN]};
    become(words, given, files[FAILED_IN], parent);
  }
  setpgid(process, process);
  int in[] = {files[TASK], files[MODEL], files[MESSAGES_IN], files[OUTPUT_IN], files[FAILED_IN]};
  close_all(in, sizeof in / sizeof *in);
  int error = 0;
  ssize_t told;
  do told = read(files[FAILED], &error, sizeof error);
  while (told < 0 && errno == EINTR);
  close(files[FAILED]);
  *child = (trainer_child){process, files[MESSAGES], files[OUTPUT], files[RESULT]};
  if (told == 0) return 0;
  trainer_end(child);
  return told == (ssize_t)sizeof error ? error : EIO;
}

int32_t trainer_read(trainer_child *child, void *start, uint64_t size, int32_t milliseconds, uint64_t *count) {
  struct pollfd waits[] = {{.fd = child->messages, .events = POLLIN}, {.fd = child->output, .events = POLLIN}};
  *count = 0;
  /* What it has started may hold the output open; its messages are its own. */
  if (child->messages < 0) return TRAINER_CLOSED;
  if (poll(waits, 2, milliseconds) <= 0) return TRAINER_QUIET;
  for (int i = 1; i >= 0; i--) {
    if (waits[i].revents == 0) continue;
    ssize_t length = read(waits[i].fd, start, size);
    if (length > 0) {
      *count = (uint64_t)length;
      return i == 0 ? TRAINER_MESSAGES : TRAINER_OUTPUT;
    }
    if (length < 0 && errno == EINTR) continue;
    close(waits[i].fd);
    *(i == 0 ? &child->messages : &child->output) = -1;
  }
  return child->messages < 0 ? TRAINER_CLOSED : TRAINER_QUIET;
}

uint64_t trainer_result(const trainer_child *child, void *start, uint64_t size) {
  uint64_t done = 0;
  while (done < size) {
    ssize_t length = pread(child->result, (char *)start + done, size - done, (off_t)done);
    if (length < 0 && errno == EINTR) continue;
    if (length <= 0) break;
    done += (uint64_t)length;
  }
  return done;
}

int32_t trainer_end(trainer_child *child) {
  /* One that has said all that it has to say is about to end; any other is killed at once. It is not reaped before its
   * group is killed, so that the group's number is its own. */
  for (int i = 0; child->messages < 0 && i < PATIENCE_MICROSECONDS / LOOK_MICROSECONDS; i++) {
    siginfo_t ended = {.si_pid = 0};
    if (waitid(P_PID, (id_t)child->process, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid != 0) break;
    usleep(LOOK_MICROSECONDS);
  }
  kill(child->process, SIGKILL);
  kill(-child->process, SIGKILL);
  int status = 0;
  while (waitpid(child->process, &status, 0) < 0 && errno == EINTR) continue;
  int files[] = {child->messages, child->output, child->result};
  close_all(files, 3);
  *child = (trainer_child){-1, -1, -1, -1};
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// Transactions over several clusters of PostgreSQL, by its two-phase commit: one row changes on each, all of them are
// prepared at once, a line is synced that says so, and all are committed at once.
//
//   two_phase WORKERS SECONDS DECISIONS CONNINFO...
//
// prints transactions per second, and the microseconds of the median and the 99th percentile.
#include <fcntl.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MOST_CLUSTERS = 9, MOST_TIMES = 4000000 };

static int clusters, decisions;
static char **conninfo;
static double until;
static double *times;
static long count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t synced = PTHREAD_COND_INITIALIZER;
// One sync serves all who have written before it began.
static long written, durable;
static int syncing;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void die(const char *what, const char *why) {
  fprintf(stderr, "two_phase: %s: %s\n", what, why);
  exit(1);
}

static void decide(const char *name) {
  char line[64];
  int length = snprintf(line, sizeof line, "commit %s\n", name);
  pthread_mutex_lock(&lock);
  if (write(decisions, line, (size_t)length) != length) die("decisions", "cannot be written");
  long mine = ++written;
  while (durable < mine) {
    if (syncing) {
      pthread_cond_wait(&synced, &lock);
      continue;
    }
    syncing = 1;
    long upto = written;
    pthread_mutex_unlock(&lock);
    fdatasync(decisions);
    pthread_mutex_lock(&lock);
    syncing = 0;
    durable = upto;
    pthread_cond_broadcast(&synced);
  }
  pthread_mutex_unlock(&lock);
}

// Sends to all, then waits for all.
static void ask(PGconn **connections, const char *query) {
  for (int i = 0; i < clusters; i++)
    if (!PQsendQuery(connections[i], query)) die(query, PQerrorMessage(connections[i]));
  for (int i = 0; i < clusters; i++) {
    PGresult *result;
    while ((result = PQgetResult(connections[i]))) {
      ExecStatusType status = PQresultStatus(result);
      if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) die(query, PQerrorMessage(connections[i]));
      PQclear(result);
    }
  }
}

static void *work(void *argument) {
  long worker = (long)argument;
  PGconn *connections[MOST_CLUSTERS];
  for (int i = 0; i < clusters; i++) {
    connections[i] = PQconnectdb(conninfo[i]);
    if (PQstatus(connections[i]) != CONNECTION_OK) die(conninfo[i], PQerrorMessage(connections[i]));
  }
  char query[256], name[64];
  snprintf(query, sizeof query, "INSERT INTO entries VALUES (%ld, '0') ON CONFLICT DO NOTHING", worker);
  ask(connections, query);
  for (long number = 0;; number++) {
    double begin = now();
    if (begin >= until) break;
    snprintf(name, sizeof name, "t%ld-%ld-%ld", (long)getpid(), worker, number);
    // One message for the three: what a careful driver would send.
    snprintf(query, sizeof query, "BEGIN; UPDATE entries SET v = '%ld' WHERE k = %ld; PREPARE TRANSACTION '%s'", number,
             worker, name);
    ask(connections, query);
    decide(name);
    snprintf(query, sizeof query, "COMMIT PREPARED '%s'", name);
    ask(connections, query);
    double took = now() - begin;
    pthread_mutex_lock(&lock);
    if (count < MOST_TIMES) times[count++] = took;
    pthread_mutex_unlock(&lock);
  }
  for (int i = 0; i < clusters; i++) PQfinish(connections[i]);
  return NULL;
}

static int compare(const void *left, const void *right) {
  double a = *(const double *)left, b = *(const double *)right;
  return a < b ? -1 : a > b;
}

int main(int argc, char **argv) {
  if (argc < 5 || argc - 4 > MOST_CLUSTERS) die("usage", "two_phase WORKERS SECONDS DECISIONS CONNINFO...");
  long workers = atol(argv[1]);
  double seconds = atof(argv[2]);
  decisions = open(argv[3], O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (decisions < 0) die(argv[3], "cannot be opened");
  clusters = argc - 4;
  conninfo = argv + 4;
  times = malloc(sizeof *times * MOST_TIMES);
  until = now() + seconds;
  pthread_t *threads = malloc(sizeof *threads * (size_t)workers);
  double begin = now();
  for (long i = 0; i < workers; i++) pthread_create(&threads[i], NULL, work, (void *)i);
  for (long i = 0; i < workers; i++) pthread_join(threads[i], NULL);
  double took = now() - begin;
  qsort(times, (size_t)count, sizeof *times, compare);
  if (count == 0) die("nothing", "was committed");
  printf("%.6g %.6g %.6g\n", (double)count / took, times[count / 2] * 1e6, times[count * 99 / 100] * 1e6);
  return 0;
}

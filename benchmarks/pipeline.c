/* The engine's loop for one kind of program, in C: a source, maps with one queue in and one out, a sink.
 *
 * It does what the compiled loops of the package do: windows of cycles, actors that run ahead in rank order as far as
 * their tokens, their slots and the window allow, cycles kept with tokens and slots, the same counters. It is here to be
 * measured against, and no part of the package.
 *
 * cc -O3 -march=native -o pipeline pipeline.c && ./pipeline UNITS COUNT DEPTH REPEATS
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WINDOW = 16384, DONE = -2, READY = -1 };
#define FAR (INT64_C(1) << 62)

typedef struct {
    int64_t next, interval, left, in, out, waiting, firings, busy, starved, blocked, first, last;
} Actor;
typedef struct {
    int64_t pushed, popped, capacity, mask, ring, latency, credit, source, sink;
} Queue;

static Actor *actors;
static Queue *queues;
static int64_t *ready_at, *free_at, *due, running;
static uint64_t *pending;

static inline int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }

static void wake(int64_t a, int64_t q) {
    if (actors[a].waiting == q) {
        actors[a].waiting = READY;
        pending[a >> 6] |= UINT64_C(1) << (a & 63);
    }
}

/* Up to n firings before `end`: how many, and the cycle of the next in *following. */
static int64_t run(Actor *actor, Queue *in, Queue *out, int64_t n, int64_t end, int64_t *following) {
    int64_t t = actor->next, interval = actor->interval, starved = 0, blocked = 0, fired = 0, at = 0;
    int64_t get = in ? in->popped : 0, put = out ? out->pushed : 0;
    int64_t get_mask = in ? in->mask : 0, put_mask = out ? out->mask : 0, get_ring = in ? in->ring : 0;
    int64_t put_ring = out ? out->ring : 0, capacity = out ? out->capacity : 0;
    int64_t latency = out ? out->latency : 0, credit = in ? in->credit : 0;
    if (in && out) {
        for (; fired < n; fired++, get++, put++) {
            int64_t place = get_ring + (get & get_mask), arrived = max(t, ready_at[place]);
            at = max(arrived, free_at[put_ring + ((put - capacity) & put_mask)]);
            if (at >= end) break;
            starved += arrived - t;
            blocked += at - arrived;
            free_at[place] = at + credit;
            ready_at[put_ring + (put & put_mask)] = at + latency;
            t = at + interval;
        }
    } else if (out) {
        for (; fired < n; fired++, put++) {
            at = max(t, free_at[put_ring + ((put - capacity) & put_mask)]);
            if (at >= end) break;
            blocked += at - t;
            ready_at[put_ring + (put & put_mask)] = at + latency;
            t = at + interval;
        }
    } else {
        for (; fired < n; fired++, get++) {
            int64_t place = get_ring + (get & get_mask);
            at = max(t, ready_at[place]);
            if (at >= end) break;
            starved += at - t;
            free_at[place] = at + credit;
            t = at + interval;
        }
    }
    actor->next = t;
    actor->starved += starved;
    actor->blocked += blocked;
    *following = at;
    return fired;
}

static void visit(int64_t a, int64_t end) {
    Actor *actor = actors + a;
    Queue *in = actor->in >= 0 ? queues + actor->in : NULL, *out = actor->out >= 0 ? queues + actor->out : NULL;
    while (actor->waiting != DONE) {
        int64_t n = actor->left, limit = -1, following = 0;
        if (in && in->pushed - in->popped < n) n = in->pushed - in->popped, limit = actor->in;
        if (out && out->capacity - out->pushed + out->popped < n)
            n = out->capacity - out->pushed + out->popped, limit = actor->out;
        int64_t fired = run(actor, in, out, n, end, &following);
        if (fired) {
            if (!actor->firings) actor->first = following;
            actor->firings += fired;
            actor->busy += fired * actor->interval;
            actor->last = actor->next - actor->interval;
            if (in) in->popped += fired, wake(in->source, actor->in);
            if (out) out->pushed += fired, wake(out->sink, actor->out);
            actor->left -= fired;
            if (!actor->left) actor->waiting = DONE, running--;
        }
        if (fired < n) {
            due[a] = following;
            return;
        }
        if (limit >= 0) {
            actor->waiting = limit;
            return;
        }
    }
}

static int64_t simulate(int64_t units) {
    int64_t time = 0, words = (units + 63) / 64;
    for (;;) {
        int64_t end = time + WINDOW, others = FAR, count = 0;
        for (int64_t a = 0; a < units; a++) {
            if (due[a] < end) {
                due[a] = FAR;
                pending[a >> 6] |= UINT64_C(1) << (a & 63);
                count++;
            } else if (due[a] < others) others = due[a];
        }
        if (!count && others == FAR) return running ? -1 : time;
        if (!count) {
            time = others;
            continue;
        }
        for (int found = 1; found;) {
            found = 0;
            for (int64_t w = 0; w < words; w++)
                for (int position = 0; position < 64; position++) {
                    uint64_t later = pending[w] >> position;
                    if (!later) break;
                    position += __builtin_ctzll(later);
                    pending[w] &= ~(UINT64_C(1) << position);
                    found = 1;
                    visit(w * 64 + position, end);
                }
        }
        time = end;
    }
}

int main(int argc, char **argv) {
    if (argc != 5) return fprintf(stderr, "usage: pipeline UNITS COUNT DEPTH REPEATS\n"), 2;
    int64_t units = atoll(argv[1]), count = atoll(argv[2]), depth = atoll(argv[3]), ring = 1;
    while (ring < depth) ring *= 2;
    double best = 1e30;
    int64_t cycles = 0, starved = 0, blocked = 0;
    for (int64_t repeat = 0; repeat < atoll(argv[4]); repeat++) {
        actors = calloc(units, sizeof *actors), queues = calloc(units, sizeof *queues);
        ready_at = calloc(units * ring, 8), free_at = calloc(units * ring, 8), due = calloc(units, 8);
        pending = calloc((units + 63) / 64, 8);
        running = units;
        for (int64_t i = 0; i < units; i++) {
            actors[i] = (Actor){.interval = 1, .left = count, .in = i - 1, .out = i < units - 1 ? i : -1, .waiting = READY};
            queues[i] = (Queue){.capacity = depth, .mask = ring - 1, .ring = i * ring, .latency = 1, .credit = 1,
                                .source = i, .sink = i + 1};
        }
        struct timespec a, b;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
        if (simulate(units) < 0) return fprintf(stderr, "deadlock\n"), 1;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
        double spent = (b.tv_sec - a.tv_sec) + (b.tv_nsec - a.tv_nsec) * 1e-9;
        if (spent < best) best = spent;
        cycles = actors[units - 1].last + 1, starved = blocked = 0;
        for (int64_t i = 0; i < units; i++) starved += actors[i].starved, blocked += actors[i].blocked;
        free(actors), free(queues), free(ready_at), free(free_at), free(due), free(pending);
    }
    printf("{\"seconds\": %.9f, \"cycles\": %lld, \"starved\": %lld, \"blocked\": %lld}\n", best, (long long)cycles,
           (long long)starved, (long long)blocked);
    return 0;
}

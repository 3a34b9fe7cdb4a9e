/*
 * The baselines' cases: the page-by-page workloads of the bench, timed by the process's CPU time. MODEL names the baseline's source, with quotes.
 *
 * usage: baseline VCPUS PAGES_PER_VCPU WRITES_PER_VCPU
 *
 * Every vCPU has memory of its own; the vCPUs take turns page by page. populate: each page is written once, nothing is mapped. write: the slot has
 * been write-protected for dirty logging, each page is written once. random: protected again; each vCPU writes WRITES_PER_VCPU pages drawn from
 * its memory. Prints CPU time and counters of each case as JSON.
 */
#include MODEL
#include <stdio.h>
#include <sys/resource.h>

#define BASE_GFN (1ull << 20)

static const struct host_state states[] = {{false, 1}, {true, 1}};
static const struct host_fault faults[] = {{true, 1, 1, true, 0}, {true, 1, 1, true, 0}, {true, 1, 1, true, 0}, {true, 1, 1, true, 0}};
static const struct backing small_pages = {states, faults};

static const char *const event_names[] = {
#define X(id, name) name,
    EVENTS(X)
#undef X
};

static double cpu_ns(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e9 + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e3;
}

static void sum_counters(const struct vm *vm, uint64_t *sums)
{
    for (int i = 0; i < NEVENTS; i++) {
        sums[i] = 0;
        for (int vcpu = 0; vcpu < vm->nvcpus; vcpu++) sums[i] += vm->vcpus[vcpu].counters[i];
    }
}

/* xorshift32; the page is its upper bits scaled to the vCPU's memory. */
static uint64_t draw(struct vcpu *vcpu, uint64_t npages)
{
    uint32_t x = vcpu->random;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    vcpu->random = x;
    return ((uint64_t)x * npages) >> 32;
}

static void in_turn(struct vm *vm, uint64_t npages)
{
    for (uint64_t page = 0; page < npages; page++)
        for (int vcpu = 0; vcpu < vm->nvcpus; vcpu++) touch(vm, vcpu, BASE_GFN + vcpu * npages + page, WRITE);
}

static void at_random(struct vm *vm, uint64_t npages, uint64_t writes)
{
    for (uint64_t i = 0; i < writes; i++)
        for (int vcpu = 0; vcpu < vm->nvcpus; vcpu++) touch(vm, vcpu, BASE_GFN + vcpu * npages + draw(&vm->vcpus[vcpu], npages), WRITE);
}

/* Runs one case and prints it. `writes` 0: every page in turn. */
static void measure(struct vm *vm, const char *name, uint64_t npages, uint64_t writes, const char *end)
{
    uint64_t before[NEVENTS], after[NEVENTS];
    for (int vcpu = 0; vcpu < vm->nvcpus; vcpu++) enter(vm, vcpu);
    sum_counters(vm, before);
    double start = cpu_ns();
    if (writes == 0) in_turn(vm, npages);
    else at_random(vm, npages, writes);
    double ns = cpu_ns() - start;
    sum_counters(vm, after);
    printf("\"%s\":{\"cpuNs\":%.0f,\"counters\":{", name, ns);
    const char *comma = "";
    for (int i = 0; i < NEVENTS; i++) {
        if (after[i] == before[i]) continue;
        printf("%s\"%s\":%llu", comma, event_names[i], (unsigned long long)(after[i] - before[i]));
        comma = ",";
    }
    printf("}}%s", end);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: %s VCPUS PAGES_PER_VCPU WRITES_PER_VCPU\n", argv[0]);
        return 2;
    }
    int nvcpus = atoi(argv[1]);
    uint64_t npages = strtoull(argv[2], NULL, 10);
    uint64_t writes = strtoull(argv[3], NULL, 10);
    uint64_t total = npages * nvcpus;
    struct memslot slots[] = {
        {0, 16, 0, 1, false, false, &small_pages, calloc(16, 1), calloc(1, 8)},
        {BASE_GFN, BASE_GFN + total, BASE_GFN, 3, false, false, &small_pages, calloc(total, 1), calloc((total + 63) / 64, 8)},
    };
    struct guest_run runs[] = {{0, 0, 16}, {BASE_GFN, BASE_GFN, total}};
    struct vm vm = {.vcpus = calloc(nvcpus, sizeof(struct vcpu)),
                    .nvcpus = nvcpus,
                    .slots = slots,
                    .nslots = 2,
                    .runs = runs,
                    .nruns = 2};
    if (vm.vcpus == NULL || slots[1].host == NULL || slots[1].dirty == NULL) return 3;
    vm.root = take_table(&vm);
    prepare(&vm);
    for (int vcpu = 0; vcpu < nvcpus; vcpu++) vm.vcpus[vcpu].random = 0x9e3779b9u * (vcpu + 1);
    for (int vcpu = 0; vcpu < nvcpus; vcpu++) enter(&vm, vcpu);
    touch(&vm, 0, 0, READ); /* As the engine does before: its guest's top table is mapped. */
    printf("{");
    measure(&vm, "populate", npages, 0, ",");
    slots[1].logged = true;
    write_protect(&vm, &slots[1]);
    measure(&vm, "write", npages, 0, ",");
    write_protect(&vm, &slots[1]);
    measure(&vm, "random", npages, writes, "}\n");
    return 0;
}

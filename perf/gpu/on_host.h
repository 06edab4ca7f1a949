// Enough of CUDA C++ for kernels to run on a CPU: a thread for each of a block's threads, one block after another.
#include <barrier>
#include <math.h>
#include <stddef.h>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>
#define __global__
#define __device__
#define __shared__ static
#define __restrict__
struct Index { unsigned x; };
static thread_local Index threadIdx;
static Index blockIdx, blockDim, gridDim;
static std::unique_ptr<std::barrier<>> all_threads;
static std::vector<std::unique_ptr<std::barrier<>>> eight_threads;
static double exchanged[1024];
static void __syncthreads() { all_threads->arrive_and_wait(); }
template <typename T> T __shfl_xor_sync(unsigned, T value, int other) {
    auto& group = *eight_threads[threadIdx.x / 8];
    exchanged[threadIdx.x] = value;
    group.arrive_and_wait();
    T found = (T)exchanged[threadIdx.x ^ other];
    group.arrive_and_wait();
    return found;
}
template <typename T> static T bits_of(auto value) { T found; std::memcpy(&found, &value, sizeof found); return found; }
static float __int_as_float(int x) { return bits_of<float>(x); }
static int __float_as_int(float x) { return bits_of<int>(x); }
static float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
static float __fdiv_rn(float x, float y) { return x / y; }
template <typename Call> void launch(unsigned grid, unsigned threads, bool together, Call call) {
    gridDim.x = grid;
    blockDim.x = threads;
    for (blockIdx.x = 0; blockIdx.x < grid; blockIdx.x++) {
        if (!together) {
            for (threadIdx.x = 0; threadIdx.x < threads; threadIdx.x++) call();
            continue;
        }
        all_threads = std::make_unique<std::barrier<>>(threads);
        eight_threads.clear();
        for (unsigned i = 0; i < threads / 8; i++) eight_threads.push_back(std::make_unique<std::barrier<>>(8));
        std::vector<std::thread> running;
        for (unsigned i = 0; i < threads; i++) running.emplace_back([=] { threadIdx.x = i; call(); });
        for (auto& thread : running) thread.join();
    }
}

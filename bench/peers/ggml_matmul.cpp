// ggml's matrix product as a side of bench/contest.mjs: reads one flat JSON object a line, answers each with one line.
//
//   {"ask":"open","type":"TQ2_0","rows":2560,"cols":2560,"m":1,"threads":1,"ring":0}   ->  {"case":0,"work":6553600}   (after the answer was checked)
//   {"ask":"time","case":0,"ms":20}                                                    ->  {"seconds":...}              (of one product)
//   {"ask":"close"}                                                                    ->  {}
//
// `ring` is bytes of weights in turn: above the caches, every product reads its weights from memory. A graph holds as many products as there are matrices (64 of the
// same one when they are few), so that starting its threads costs little. "Q4_0 repacked" is the type in the layout that ggml prefers on this processor.

#include <chrono>
#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "ggml-alloc.h"
#include "ggml-backend.h"
#include "ggml-cpu.h"
#include "ggml.h"
#include "lines.hpp"

static ggml_type type_named(const std::string& wanted) {
    for (int i = 0; i < GGML_TYPE_COUNT; i++) {
        const char* name = ggml_type_name(static_cast<ggml_type>(i));
        if (name && !strcasecmp(name, wanted.c_str())) return static_cast<ggml_type>(i);
    }
    throw Failure{"this ggml has no type " + wanted};
}

// The buffer type of the layout that ggml computes fastest with on this processor.
static ggml_backend_buffer_type_t repacked() {
    ggml_backend_dev_t device = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    auto extra = reinterpret_cast<ggml_backend_dev_get_extra_bufts_t>(
        ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(device), "ggml_backend_dev_get_extra_bufts"));
    for (ggml_backend_buffer_type_t* each = extra ? extra(device) : nullptr; each && *each; each++)
        if (strstr(ggml_backend_buft_name(*each), "REPACK")) return *each;
    throw Failure{"this ggml repacks nothing on this processor"};
}

struct Case {
    ggml_backend_t backend = nullptr;
    ggml_threadpool_t pool = nullptr;
    ggml_context *weights_context = nullptr, *context = nullptr;
    ggml_backend_buffer_t weights_buffer = nullptr, buffer = nullptr;
    ggml_cgraph* graph = nullptr;
    size_t products = 0;

    ~Case() {
        if (buffer) ggml_backend_buffer_free(buffer);
        if (weights_buffer) ggml_backend_buffer_free(weights_buffer);
        if (context) ggml_free(context);
        if (weights_context) ggml_free(weights_context);
        if (backend) ggml_backend_free(backend);
        if (pool) ggml_threadpool_free(pool);
    }

    double run() {
        auto began = std::chrono::steady_clock::now();
        if (ggml_backend_graph_compute(backend, graph) != GGML_STATUS_SUCCESS) throw Failure{"the graph could not be computed"};
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    }
};

// Compares a sample of the result with f64 over the dequantised weights. ggml rounds activations to 8 bits, so it may differ by a few hundredths of the size of the sum.
static void check(ggml_tensor* y, ggml_type type, const std::vector<char>& packed, const std::vector<float>& x, size_t rows, size_t cols, size_t m) {
    std::vector<float> found(rows * m), row(cols);
    ggml_backend_tensor_get(y, found.data(), 0, found.size() * sizeof(float));
    std::mt19937 random(17);
    for (int n = 0; n < 64; n++) {
        size_t r = random() % rows, i = random() % m;
        const char* from = packed.data() + r * ggml_row_size(type, cols);
        if (type == GGML_TYPE_F32) memcpy(row.data(), from, cols * sizeof(float));
        else ggml_get_type_traits(type)->to_float(from, row.data(), static_cast<int64_t>(cols));
        double exact = 0, size = 0;
        for (size_t k = 0; k < cols; k++) {
            double product = static_cast<double>(row[k]) * x[i * cols + k];
            exact += product;
            size += product * product;
        }
        if (!(std::abs(found[i * rows + r] - exact) <= 0.05 * std::sqrt(size)))
            throw Failure{"ggml computes " + std::to_string(found[i * rows + r]) + " where " + std::to_string(exact) + " is right"};
    }
}

static std::unique_ptr<Case> open(const Request& request) {
    std::string name = request.count("type") ? request.at("type") : "";
    bool repack = name.find(" repacked") != std::string::npos;
    ggml_type type = type_named(name.substr(0, name.find(' ')));
    size_t rows = number(request, "rows"), cols = number(request, "cols"), m = number(request, "m"), threads = number(request, "threads");
    if (cols % ggml_blck_size(type) != 0) throw Failure{name + " needs whole blocks of columns"};

    auto made = std::make_unique<Case>();
    made->backend = ggml_backend_cpu_init();
    ggml_threadpool_params params = ggml_threadpool_params_default(static_cast<int>(threads));
    params.poll = 100;
    made->pool = ggml_threadpool_new(&params);
    ggml_backend_cpu_set_n_threads(made->backend, static_cast<int>(threads));
    ggml_backend_cpu_set_threadpool(made->backend, made->pool);

    // Ternary weights with one scale, or +-1 for one-bit types: what all the types here can hold.
    std::mt19937 random(3);
    std::vector<float> w(rows * cols), x(m * cols);
    bool binary = strncasecmp(name.c_str(), "Q1", 2) == 0;
    for (float& each : w) each = 0.02f * (binary ? static_cast<int>(random() % 2) * 2 - 1 : static_cast<int>(random() % 3) - 1);
    for (float& each : x) each = static_cast<float>(random() >> 8) / (1 << 23) - 1.0f;
    std::vector<char> packed(rows * ggml_row_size(type, cols));
    if (type == GGML_TYPE_F32) memcpy(packed.data(), w.data(), packed.size());
    else ggml_quantize_chunk(type, w.data(), packed.data(), 0, static_cast<int64_t>(rows), static_cast<int64_t>(cols), nullptr);

    size_t matrices = std::max<size_t>(1, (number(request, "ring") + packed.size() - 1) / packed.size());
    made->products = m > 1 ? matrices : std::max<size_t>(matrices, 64);
    size_t nodes = made->products + matrices + 8;
    ggml_init_params space = {nodes * ggml_tensor_overhead() + ggml_graph_overhead_custom(nodes * 2, false), nullptr, true};
    made->weights_context = ggml_init(space);
    made->context = ggml_init(space);

    std::vector<ggml_tensor*> all;
    for (size_t i = 0; i < matrices; i++)
        all.push_back(ggml_new_tensor_2d(made->weights_context, type, static_cast<int64_t>(cols), static_cast<int64_t>(rows)));
    auto* buft = repack ? repacked() : ggml_backend_get_default_buffer_type(made->backend);
    made->weights_buffer = ggml_backend_alloc_ctx_tensors_from_buft(made->weights_context, buft);
    if (!made->weights_buffer) throw Failure{"no memory for the weights"};
    for (ggml_tensor* each : all) ggml_backend_tensor_set(each, packed.data(), 0, packed.size());

    ggml_tensor* input = ggml_new_tensor_2d(made->context, GGML_TYPE_F32, static_cast<int64_t>(cols), static_cast<int64_t>(m));
    made->graph = ggml_new_graph_custom(made->context, nodes * 2, false);
    std::vector<ggml_tensor*> results;
    for (size_t i = 0; i < made->products; i++) {
        results.push_back(ggml_mul_mat(made->context, all[i % matrices], input));
        ggml_build_forward_expand(made->graph, results.back());
    }
    made->buffer = ggml_backend_alloc_ctx_tensors(made->context, made->backend);
    if (!made->buffer) throw Failure{"no memory for the results"};
    ggml_backend_tensor_set(input, x.data(), 0, x.size() * sizeof(float));
    made->run();
    check(results.back(), type, packed, x, rows, cols, m);
    return made;
}

static double seconds(Case& opened, double at_least) {
    double took = 0;
    size_t runs = 0;
    do took += opened.run(), runs++;
    while (took < at_least);
    return took / static_cast<double>(runs * opened.products);
}

int main() {
    std::vector<std::unique_ptr<Case>> cases;
    ggml_time_init();
    ggml_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
    serve([&](Request request) -> std::string {
        if (request["ask"] == "open") {
            cases.push_back(open(request));
            size_t work = number(request, "rows") * number(request, "cols") * number(request, "m");
            return "{\"case\":" + std::to_string(cases.size() - 1) + ",\"work\":" + std::to_string(work) + "}";
        }
        if (request["ask"] == "time") return seconds_json(seconds(*cases.at(number(request, "case")), static_cast<double>(number(request, "ms")) / 1e3));
        if (request["ask"] == "close") {
            cases.clear();
            return "{}";
        }
        throw Failure{"nothing is asked by " + request["ask"]};
    });
}

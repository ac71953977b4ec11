// The program `gemm` on one systolic unit: A[M, K] tile by tile, B[K, N] once and replayed, C[M, N] turned around.
module top;
    parameter M = 64, N = 32, K = 32;
    parameter A_LOAD_WIRE = 1, B_LOAD_WIRE = 1, A_WIRE = 1, B_WIRE = 1, C_WIRE = 1, CT_WIRE = 1;
    parameter LANES = 32, STAGES = 8, FIFO = 16, AGCU = 15, READ = 8, WRITE = 7, OUTSTANDING = 128;
    parameter CHANNELS = 32, NUMERATOR = 15, DENOMINATOR = 11, MEMORY = 120, A = 0, B = 0, C = 0;
    localparam W = LANES * 16, V = STAGES * 16, TILES = M / LANES;

    reg clk = 0;
    wire [2:0] ask, there, take;
    wire [95:0] address;
    memory #(3, CHANNELS, NUMERATOR, DENOMINATOR, MEMORY) hbm(clk, ask, address, there, take);

    wire push_la, room_la, valid_la, pop_la, push_lb, room_lb, valid_lb, pop_lb;
    wire push_a, room_a, valid_a, push_b, room_b, valid_b, pop;
    wire push_c, room_c, valid_c, pop_c, push_ct, room_ct, valid_ct, pop_ct, done;
    wire [W-1:0] la, in_la, lb, in_lb, a, in_a, c, in_c, ct, in_ct;
    wire [V-1:0] b, in_b;

    load #(M * K / LANES, A, OUTSTANDING) load_a(
        clk, ask[0], address[31:0], there[0], take[0], push_la, la, room_la);
    load #(K * N / LANES, B, OUTSTANDING) load_b(
        clk, ask[1], address[63:32], there[1], take[1], push_lb, lb, room_lb);
    stream #(W, AGCU + A_LOAD_WIRE, A_LOAD_WIRE, FIFO + AGCU + 2 * A_LOAD_WIRE) to_a(
        clk, push_la, la, room_la, valid_la, in_la, pop_la);
    stream #(W, AGCU + B_LOAD_WIRE, B_LOAD_WIRE, FIFO + AGCU + 2 * B_LOAD_WIRE) to_b(
        clk, push_lb, lb, room_lb, valid_lb, in_lb, pop_lb);

    pmu #(LANES * K, TILES, 2, N / STAGES, 1, K, 0, 1, K, LANES, LANES, WRITE) hold_a(
        clk, valid_la, in_la, pop_la, push_a, a, room_a);
    pmu #(K * N, 1, 1, TILES, N / STAGES, K, STAGES, N, 1, LANES, STAGES, WRITE) hold_b(
        clk, valid_lb, in_lb, pop_lb, push_b, b, room_b);
    stream #(W, READ + A_WIRE, A_WIRE, FIFO + READ + 2 * A_WIRE) stream_a(clk, push_a, a, room_a, valid_a, in_a, pop);
    stream #(V, READ + B_WIRE, B_WIRE, FIFO + READ + 2 * B_WIRE) stream_b(clk, push_b, b, room_b, valid_b, in_b, pop);

    systolic #(K, TILES * N / STAGES, LANES, STAGES) array(
        clk, valid_a, in_a, valid_b, in_b, pop, push_c, c, room_c);
    stream #(W, STAGES + C_WIRE, C_WIRE, FIFO + STAGES + 2 * C_WIRE) stream_c(
        clk, push_c, c, room_c, valid_c, in_c, pop_c);
    pmu #(LANES * N, TILES, 2, 1, LANES, N / LANES, 1, LANES * LANES, LANES, LANES, LANES, WRITE) hold_c(
        clk, valid_c, in_c, pop_c, push_ct, ct, room_ct);
    stream #(W, READ + CT_WIRE, CT_WIRE, FIFO + READ + 2 * CT_WIRE) stream_ct(
        clk, push_ct, ct, room_ct, valid_ct, in_ct, pop_ct);
    store #(1, M * N / LANES, C, OUTSTANDING) store_c(
        clk, valid_ct, in_ct, pop_ct, ask[2], address[95:64], there[2], take[2], done);

    initial begin
        $readmemh("a.hex", load_a.tensor);
        $readmemh("b.hex", load_b.tensor);
    end
    always #1 clk = !clk;
    always @(posedge clk) if (done) begin
        $display("cycles %0d", store_c.acknowledge.last + 1);
        $display("a.load.respond %0d %0d %0d", load_a.respond.firings, load_a.respond.starved, load_a.respond.blocked);
        $display("b.load.respond %0d %0d %0d", load_b.respond.firings, load_b.respond.starved, load_b.respond.blocked);
        $display("a.write %0d %0d %0d", hold_a.write.firings, hold_a.write.starved, hold_a.write.blocked);
        $display("a.read %0d %0d %0d", hold_a.read.firings, hold_a.read.starved, hold_a.read.blocked);
        $display("b.read %0d %0d %0d", hold_b.read.firings, hold_b.read.starved, hold_b.read.blocked);
        $display("c %0d %0d %0d", array.body.firings, array.body.starved, array.body.blocked);
        $display("c.drain %0d %0d %0d", array.drain.firings, array.drain.starved, array.drain.blocked);
        $display("ct.write %0d %0d %0d", hold_c.write.firings, hold_c.write.starved, hold_c.write.blocked);
        $display("store.ct %0d %0d %0d", store_c.request.firings, store_c.request.starved, store_c.request.blocked);
        $writememh("c.hex", store_c.tensor);
        $finish;
    end
endmodule

// The program `transpose` with one scratchpad: X[M, N] is loaded, transposed tile by tile, stored as Y[N, M].
module top;
    parameter M = 64, N = 64, LOAD_WIRE = 1, STORE_WIRE = 1;
    parameter LANES = 32, FIFO = 16, AGCU = 15, READ = 8, WRITE = 7, OUTSTANDING = 128;
    parameter CHANNELS = 32, NUMERATOR = 15, DENOMINATOR = 11, MEMORY = 120, Y = 0;
    localparam W = LANES * 16, LOAD = AGCU + LOAD_WIRE, STORE = READ + STORE_WIRE;

    reg clk = 0;
    wire [1:0] ask, there, take;
    wire [63:0] address;
    memory #(2, CHANNELS, NUMERATOR, DENOMINATOR, MEMORY) hbm(clk, ask, address, there, take);

    wire push_x, room_x, valid_x, pop_x, push_t, room_t, valid_t, pop_t, done;
    wire [W-1:0] x, in_x, t, in_t;
    load #(M * N / LANES, 0, OUTSTANDING) load_x(
        clk, ask[0], address[31:0], there[0], take[0], push_x, x, room_x);
    stream #(W, LOAD, LOAD_WIRE, FIFO + AGCU + 2 * LOAD_WIRE) to_pmu(clk, push_x, x, room_x, valid_x, in_x, pop_x);
    pmu #(LANES * N, M / LANES, 2, 1, 1, N, 0, 1, N, LANES, LANES, WRITE) turn(
        clk, valid_x, in_x, pop_x, push_t, t, room_t);
    stream #(W, STORE, STORE_WIRE, FIFO + READ + 2 * STORE_WIRE) to_store(
        clk, push_t, t, room_t, valid_t, in_t, pop_t);
    // Word n is column n % N of rows 32 (n / N) ...: row n % N of Y, burst n / N of M / 32.
    store #(N, M / LANES, Y, OUTSTANDING) store_y(
        clk, valid_t, in_t, pop_t, ask[1], address[63:32], there[1], take[1], done);

    initial $readmemh("x.hex", load_x.tensor);
    always #1 clk = !clk;
    always @(posedge clk) if (done) begin
        $display("cycles %0d", store_y.acknowledge.last + 1);
        $display("x.write %0d %0d %0d", turn.write.firings, turn.write.starved, turn.write.blocked);
        $display("x.read %0d %0d %0d", turn.read.firings, turn.read.starved, turn.read.blocked);
        $display("x.load.respond %0d %0d %0d", load_x.respond.firings, load_x.respond.starved, load_x.respond.blocked);
        $display("store.x %0d %0d %0d", store_y.request.firings, store_y.request.starved, store_y.request.blocked);
        $writememh("y.hex", store_y.tensor);
        $finish;
    end
endmodule

// A chain of UNITS: unit i fires every first, second, ... interval in turn (1 + i * STEP % SPREAD), COUNT times.
module top;
    parameter UNITS = 4, COUNT = 100, PIPELINE = 8, WIRE = 1, FIFO = 16, STEP = 3, SPREAD = 4;
    reg clk = 0;
    wire [UNITS-1:0] valid, room, push, done;
    genvar g;
    generate
        for (g = 0; g < UNITS; g = g + 1) begin : unit
            if (g + 1 < UNITS) begin : behind
                stream #(1, PIPELINE + WIRE, WIRE, FIFO + PIPELINE + 2 * WIRE) queue(
                    clk, push[g], 1'b1, room[g], valid[g], , push[g+1]);
            end else assign room[g] = 1;
            account #(COUNT, 1 + (g * STEP) % SPREAD) work(
                clk, g == 0 ? 1'b1 : valid[g == 0 ? 0 : g - 1], room[g], push[g], done[g]);
            always @(posedge clk) if (done[UNITS-1])
                $display("u%0d %0d %0d %0d %0d", g, work.firings, work.starved, work.blocked, work.last);
        end
    endgenerate
    always #1 clk = !clk;
    always @(posedge clk) if (done[UNITS-1]) #1 $finish;
endmodule
